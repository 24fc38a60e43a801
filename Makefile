# Warpsmith. `make demo` runs the main job, `make test` all tests, `make help` lists the targets.

BUILD      ?= build
CC         := $(if $(filter default,$(origin CC)),gcc,$(CC))
V          ?=
ASKED_CUDA := $(CUDA_HOME)
# The first toolkit that has NVRTC's header; tests/deps looks in the same places and fills build/cuda.
override CUDA_HOME := $(patsubst %/include/nvrtc.h,%,$(firstword $(realpath $(addsuffix /include/nvrtc.h,\
    $(CUDA_HOME) /usr/local/cuda $(patsubst %/bin/nvcc,%,$(shell command -v nvcc 2>/dev/null)))) \
    $(abspath $(BUILD)/cuda/include/nvrtc.h)))
export PATH := $(CUDA_HOME)/bin:$(PATH)

comma := ,
WARN   := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla \
          -Wundef -Wpointer-arith -Wcast-qual -Wwrite-strings -Wno-format-nonliteral
CFLAGS ?= -O2 -g
# SAN=thread: with ThreadSanitizer; SAN=1: with the other two.
SANITIZE := -fsanitize=$(if $(filter thread,$(SAN)),thread,address$(comma)undefined)
ALLFLAGS := -std=c17 -D_GNU_SOURCE -ffp-contract=off -fPIC -I. $(WARN) $(if $(WERROR),-Werror) \
            $(if $(SAN),$(SANITIZE) -fno-omit-frame-pointer) $(CFLAGS)
LDFLAGS += $(if $(SAN),$(SANITIZE))
# harness/compile/nvrtc.c stands before the C library for NVRTC.
LDFLAGS += -Wl,-z,now -Wl,--export-dynamic-symbol=fopen -Wl,--export-dynamic-symbol=mmap
LIBS   := -lcjson -lpcre2-8 -lsqlite3 -lpthread -ldl -lm
Q      := $(if $(V),,@)

# One static library per module; a program links those that it needs, in this order of dependency.
MODULES := agent results verifier reference harness ptx specs base
base_SRC      := $(wildcard base/*.c)
specs_SRC     := $(wildcard specs/*.c)
reference_SRC := $(wildcard reference/*.c)
# These are compiled once; what decodes and executes PTX, all else, once for each kind of CPU, and only the names
# in harness/ptx/entry.c are seen outside. See harness/ptx/variant.h.
ptx_SRC       := $(filter $(foreach f,ast_find case case_% compact counters field_ast info lex mem mma_type module numbers ops_cover parse parse_% \
                   sanitizer sniff strip tensormap types variant,harness/ptx/$(f).c),$(wildcard harness/ptx/*.c))
engine_SRC    := $(filter-out $(ptx_SRC),$(wildcard harness/ptx/*.c))
# The best that this CPU executes, and one for all others of its architecture. To be installed elsewhere:
# make VARIANTS='avx512 avx2 baseline'
CPU_FLAGS     := $(if $(filter x86_64% amd64%,$(shell $(CC) -dumpmachine)),$(shell grep -m 1 '^flags' /proc/cpuinfo))
cpu_has        = $(if $(filter-out $(CPU_FLAGS),$(1)),,$(2))
VARIANTS      ?= $(firstword $(call cpu_has,avx2 fma bmi1 bmi2 avx512f avx512bw avx512cd avx512dq avx512vl,avx512) \
                   $(call cpu_has,avx2 fma bmi1 bmi2,avx2)) baseline
FLAGS_avx512  := -march=x86-64-v4 -mprefer-vector-width=512 -mno-vzeroupper
FLAGS_avx2    := -march=x86-64-v3 -mno-vzeroupper
harness_DIRS  := harness harness/baseline harness/compile harness/device harness/plan harness/profile harness/timing harness/worker
harness_SRC   := $(filter-out harness/device/worker_main.c,$(wildcard $(harness_DIRS:%=%/*.c)))
verifier_SRC  := $(wildcard verifier/*.c)
results_SRC   := $(wildcard results/*.c)
agent_DIRS    := agent agent/llm agent/loop agent/strategy agent/money agent/tune agent/evidence agent/mcp agent/serve agent/sweep agent/cmd
agent_SRC     := $(filter-out agent/main.c,$(wildcard $(agent_DIRS:%=%/*.c)))
facade_SRC    := $(wildcard harness/ptx/cuda/*.c)

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
lib = $(BUILD)/lib/$(1).a
# What a test program t_<module>_<what> links: its module and everything below it.
DEPS_base      := base
DEPS_specs     := specs base
DEPS_reference := reference specs base
DEPS_ptx       := ptx harness base
DEPS_harness   := harness ptx base
DEPS_verifier  := verifier reference harness ptx specs base
DEPS_results   := results verifier reference harness ptx specs base
DEPS_agent     := $(MODULES)

DEPS_tune      := $(MODULES)
DEPS_compile   := $(DEPS_harness)
DEPS_stats     := harness base

TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/t_*.c))
# Programs beside the tests: they print times and pass no judgement.
TOOLS := $(BUILD)/tests/bench_ptx $(BUILD)/tests/bench_reference $(BUILD)/tests/bench_tune $(BUILD)/tests/bench_compile $(BUILD)/tests/bench_stats

.PHONY: check-tsan check-programs force all demo test check chaos check-hostile check-kill check-sweep check-slurm check-serve check-budget check-export check-pairs fuzz-ptx check-emit check-torch mutate bench bench-reference bench-ptx bench-tune bench-loop bench-stats bench-sceptic gpu-check deps clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: warpsmith $(BUILD)/warpsmith-worker $(BUILD)/warpsmith.1 $(BUILD)/libwarpsmith-cuda.so

warpsmith: $(call obj,agent/main.c) $(foreach m,$(MODULES),$(call lib,$(m)))
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

# Runs candidates on a device; needs nothing but the C library and what it loads by dlopen.
$(BUILD)/warpsmith-worker: $(call obj,harness/device/worker_main.c) $(call obj,harness/ptx/tensormap.c) \
        $(call lib,harness) $(call lib,base)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lpthread -ldl -lm

# The man page, from the option tables: man build/warpsmith.1
$(BUILD)/warpsmith.1: warpsmith
	$(Q)./warpsmith man >$@

$(BUILD)/libwarpsmith-cuda.so: $(call obj,$(facade_SRC)) $(call lib,ptx) $(call lib,harness) $(call lib,base)
	$(Q)$(CC) $(LDFLAGS) -shared -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
	    -Wl,--exclude-libs,ALL $(if $(SAN),,-Wl,-z$(comma)defs) -lcjson -lpthread -lm

define module_rule
$(call lib,$(1)): $(call obj,$($(1)_SRC))
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $$(filter %.o,$$^)
endef
$(foreach m,$(MODULES),$(eval $(call module_rule,$(m))))

ENGINE_OPT ?= -O3
# The engine's lane loops only vectorise at -O3 (gcc 12). One object a variant, of which only the table is seen.
$(BUILD)/harness/ptx/%.o: ALLFLAGS += $(ENGINE_OPT) -fno-trapping-math -fno-math-errno -Wno-psabi
$(BUILD)/harness/ptx/variant.o: ALLFLAGS += $(patsubst %,-DPTX_HAS_%,$(VARIANTS))
define variant_rule
$(BUILD)/harness/ptx/$(1)/%.o: harness/ptx/%.c
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALLFLAGS) $$(FLAGS_$(1)) -DPTX_VARIANT=ptx_variant_$(1) -MMD -MP -c -o $$@ $$<
$(BUILD)/harness/ptx/ptx_variant_$(1).o: $(patsubst harness/ptx/%.c,$(BUILD)/harness/ptx/$(1)/%.o,$(engine_SRC))
	$$(Q)$$(CC) -r -nostdlib -o $$@ $$^ && objcopy --keep-global-symbol=ptx_variant_$(1) $$@
$(call lib,ptx): $(BUILD)/harness/ptx/ptx_variant_$(1).o
endef
$(foreach v,$(VARIANTS),$(eval $(call variant_rule,$(v))))
# The variants of this build directory: what knows of them is made again when they change.
$(BUILD)/variants: force
	$(Q)mkdir -p $(@D); echo '$(VARIANTS)' | cmp -s - $@ || echo '$(VARIANTS)' >$@
$(BUILD)/harness/ptx/variant.o $(call lib,ptx): $(BUILD)/variants
$(BUILD)/reference/%.o: ALLFLAGS += -O3 -fno-trapping-math -fno-math-errno
$(BUILD)/tests/bench_ptx.o: ALLFLAGS += -O3 -march=native
# Whose call it was is seen from the stack (harness/ptx/cuda/monitor.c).
$(BUILD)/harness/ptx/cuda/%.o: ALLFLAGS += -fno-optimize-sibling-calls
$(BUILD)/harness/driver.o $(BUILD)/harness/driver_%.o $(BUILD)/harness/compile/%.o $(BUILD)/harness/ptx/cuda/%.o: ALLFLAGS += -isystem $(CUDA_HOME)/include
# These compare with the toolkit's headers where it has them; CUPTI's asks for a header of C++.
$(BUILD)/tests/t_harness_api.o $(BUILD)/tests/t_harness_threads.o $(BUILD)/tests/t_harness_symbols.o $(BUILD)/tests/t_harness_occupancy.o: ALLFLAGS += -isystem $(CUDA_HOME)/include -isystem tests/cuda_headers
# The page of reports is built into the program (.incbin, which -MMD does not see).
$(BUILD)/results/report_page.o: $(wildcard results/report/*)
$(BUILD)/%.o: %.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALLFLAGS) -DWS_CUDA_HOME='"$(CUDA_HOME)"' -MMD -MP -c -o $@ $<

define test_rule
$(1): $(patsubst $(BUILD)/%,$(BUILD)/%.o,$(1)) $(foreach m,$(DEPS_$(word 2,$(subst _, ,$(notdir $(1))))),$(call lib,$(m)))
	$$(Q)$(CC) $(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LIBS)
endef
$(foreach t,$(TESTS) $(TOOLS),$(eval $(call test_rule,$(t))))

# The mutation test is a program of several files.
MUTATE := $(BUILD)/tests/mutate/mutate
$(MUTATE): $(call obj,$(wildcard tests/mutate/*.c)) $(foreach m,$(DEPS_verifier),$(call lib,$(m)))
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

# So is what needs a GPU.
GPU_CHECK := $(BUILD)/tests/gpucheck/gpu_check
$(GPU_CHECK): LIBS := -lcjson -lpthread -ldl -lm
$(GPU_CHECK): $(call obj,$(wildcard tests/gpucheck/*.c)) $(foreach m,$(DEPS_verifier),$(call lib,$(m)))
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

# The two commands use all cores, unless -j says how many.
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
test: deps
	$(Q)$(MAKE) --no-print-directory $(PARALLEL) check
check: all $(TESTS) $(MUTATE) $(GPU_CHECK)
	$(Q)tests/run $(BUILD)
demo: deps
	$(Q)$(MAKE) --no-print-directory $(PARALLEL) all
	$(Q)tests/demo
deps:
	$(Q)CUDA_HOME='$(ASKED_CUDA)' tests/deps
# Random kernels, engine against host, from a new seed: make fuzz-ptx FUZZ_SECONDS=60
FUZZ_SECONDS ?= 600
fuzz-ptx: all $(BUILD)/tests/t_ptx_fuzz
	$(Q)$(BUILD)/tests/t_ptx_fuzz $$(date +%s) $(FUZZ_SECONDS)
# Random texts with the sanitizers, from a new seed or FUZZ_SEED: PTX for parser, decoder and launch, kernels with their
# plans, cubins, replies of models. What breaks something is kept in build/fuzz; t_MODULE_fuzz_NAME SEED 0 runs one input again.
FUZZ_SEED ?= $(shell date +%s)
FUZZERS := t_ptx_fuzz_parse t_ptx_fuzz_decode t_ptx_fuzz_launch t_harness_fuzz_plan t_harness_fuzz_cubin t_agent_fuzz_reply
FUZZ_GOALS := $(foreach f,$(FUZZERS),fuzz-$(lastword $(subst _, ,$(f))))
.PHONY: $(FUZZ_GOALS)
$(FUZZ_GOALS): fuzz-%:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz SAN=1 CFLAGS='-O1 -g' ENGINE_OPT=-O1 VARIANTS=$(lastword $(VARIANTS)) \
	    CUDA_HOME='$(CUDA_HOME)' $(BUILD)/fuzz/tests/$(filter %_$*,$(FUZZERS))
	$(Q)ASAN_OPTIONS=hard_rss_limit_mb=4096 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	    $(BUILD)/fuzz/tests/$(filter %_$*,$(FUZZERS)) $(FUZZ_SEED) $(FUZZ_SECONDS)
# Candidates that are right, wrong, endless, astray or deadly, in random order on device workers: every
# verdict right, nothing left behind. make chaos CANDIDATES=500 SEED=7
CANDIDATES ?= 500
chaos: all $(BUILD)/tests/t_verifier_chaos
	$(Q)$(BUILD)/tests/t_verifier_chaos $(CANDIDATES) $(SEED)
# 16 threads on the CPU driver, it and the engine with ThreadSanitizer.
check-tsan:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SAN=thread CFLAGS='-O1 -g' ENGINE_OPT=-O1 VARIANTS=baseline \
	    CUDA_HOME='$(CUDA_HOME)' $(BUILD)/tsan/libwarpsmith-cuda.so $(BUILD)/tsan/tests/t_harness_threads
	$(Q)WARPSMITH_CUDA_DRIVER=$(BUILD)/tsan/libwarpsmith-cuda.so TSAN_OPTIONS=exitcode=66:suppressions=tests/tsan.supp \
	    $(BUILD)/tsan/tests/t_harness_threads
# Programs by others, unchanged, on the CPU driver: PyCUDA's and tinygrad's tests, installed into build/programs.
# ONLY='pycuda tinygrad'; TINYGRAD_DIR=DIR: a checkout, for its operator tests.
check-programs: all
	$(Q)BUILD='$(BUILD)' CUDA_HOME='$(CUDA_HOME)' tests/check_programs $(ONLY)
# Every known way to fake a result, and the verdict on it.
check-hostile: all
	$(Q)tests/hostile_table.py ./warpsmith

# The modelled order and the first finding of pairs of kernels whose order on GPUs is known: make check-pairs GPUS="h100 l40s"
GPUS ?= h100 h200 a100 l40s rtx4090 b200
check-pairs: all
	$(Q)tests/check_pairs $(GPUS:%=-g %)

# FUSED=1: the fused kernels. SPECS='kernelbench/level1 llm': only these.
check-emit: all
	$(Q)tests/check_emit $(if $(FUSED),-f) $(SPECS)
# The verifier against mutants of tests/kernels/honest; what was judged is kept in build/mutate, and a run that was
# ended goes on. make mutate KERNELS='softmax* row_sum_cub' PER_KERNEL=50 SEED=2; PER_KERNEL=0: all mutants.
mutate: all $(MUTATE)
	$(Q)$(MUTATE) --kernels '$(or $(KERNELS),*)' --per-kernel $(or $(PER_KERNEL),14) --seed $(or $(SEED),1) --out $(BUILD)/mutate
# KERNELBENCH_DIR=DIR: upstream's modules of the checkout in DIR; without, our own statement of each op.
# ONLY=level1/5: some of them.
check-torch: all
	$(Q)KERNELBENCH_DIR='$(KERNELBENCH_DIR)' BUILD='$(BUILD)' tests/torch/run $(if $(ONLY),--only $(ONLY))
# 64 clients of the reward server for 60 s, hostile kernels and garbage among what they send: SERVE_SECONDS, SERVE_CLIENTS.
SERVE_SECONDS ?= 60
SERVE_CLIENTS ?= 64
check-serve: all
	$(Q)/usr/bin/python3 tests/serve/serve_load.py ./warpsmith $(SERVE_SECONDS) $(SERVE_CLIENTS)
# A recorded run of 8 lanes, killed and resumed KILLS times; make test does 6.
KILLS ?= 200
check-kill: all
	$(Q)tests/check_kill $(KILLS)
# A recorded sweep replayed, and replayed while it is killed twice; the metrics counted again: make check-sweep SWEEP=basics
SWEEP ?= kernelbench/level1
check-sweep: all
	$(Q)tests/check_sweep $(SWEEP)
# A sweep as a Slurm array on a node of its own, one shard killed: make check-slurm SLURM_SWEEP=basics SHARDS=4
SLURM_SWEEP ?= kernelbench/level2
SHARDS ?= 8
check-slurm: all
	$(Q)tests/check_slurm $(SLURM_SWEEP) $(SHARDS)
# Runs with 16 calls in flight never spend more than --max-cost: make check-budget RUNS=100
RUNS ?= 20
check-budget: all
	$(Q)tests/check_budget $(RUNS)
# C headers of every honest kernel: compiled by gcc and clang as C and C++, and self-tested over the CPU driver.
check-export: all $(BUILD)/tests/t_results_export_c
	$(Q)$(BUILD)/tests/t_results_export_c all
bench: all bench-reference bench-loop
	$(Q)tests/bench
# Candidates a second when replies cost no time.
bench-loop: all $(BUILD)/tests/bench_compile
	$(Q)BUILD='$(BUILD)' tests/bench_loop $(REPLIES)
# References against dgemm and a copy.
bench-reference: $(BUILD)/tests/bench_reference
	$(Q)$(BUILD)/tests/bench_reference
bench-ptx: all $(BUILD)/tests/bench_ptx
	$(Q)$(BUILD)/tests/bench_ptx
# The share of whole tune spaces that the search needs: make bench-tune KERNELS='transpose cumsum'
bench-tune: all $(BUILD)/tests/bench_tune
	$(Q)BUILD='$(BUILD)' tests/tune/bench $(KERNELS)
# False positives and power of timing rules on simulated machines: make bench-stats COMPARISONS=20000 SEED=7
COMPARISONS ?= 1200
SEED        ?= 1
bench-stats: $(BUILD)/tests/bench_stats
	$(Q)$(BUILD)/tests/bench_stats $(COMPARISONS) $(SEED)
# Copies of a kernel do not win, a faster one does: make bench-sceptic SEEDS=20
SEEDS ?= 5
bench-sceptic: all
	$(Q)tests/bench_sceptic ./warpsmith $(SEEDS)
# What needs a GPU. Runs without network on a machine with gcc, make, CUDA and cJSON; the report names GPU,
# driver, date and commit. WARPSMITH_DEVICE=cpu runs the same on the CPU engine.
GPU_REPORT ?= gpu-check.json
gpu-check: $(GPU_CHECK) $(BUILD)/libwarpsmith-cuda.so
	$(Q)WARPSMITH_COMMIT=$(shell git rev-parse --short HEAD 2>/dev/null) $(GPU_CHECK) $(if $(PARTS),--part $(PARTS)) \
	    $(if $(ONLY),--only '$(ONLY)') $(GPU_REPORT)

clean:
	rm -rf $(BUILD) warpsmith
help:
	@echo 'make            the program (./warpsmith) and the CPU driver (build/libwarpsmith-cuda.so)'
	@echo 'make demo       set up what is missing, build, run the main job on real input'
	@echo 'make test       set up what is missing, build, run every test'
	@echo 'make check      build, run every test'
	@echo 'make deps       install what is missing'
	@echo 'make fuzz-ptx   random kernels, the PTX engine against the host, for FUZZ_SECONDS'
	@echo 'make fuzz-parse fuzz-decode fuzz-launch   random PTX, with sanitizers, for FUZZ_SECONDS each'
	@echo 'make fuzz-plan fuzz-cubin fuzz-reply   kernels with changed plans, cubins, replies of models: the same'
	@echo 'make chaos      CANDIDATES random candidates on device workers, SEED: every verdict right, nothing left'
	@echo 'make check-pairs    models pairs of kernels: order and cause; GPUS="h100 l40s"'
	@echo 'make check-emit emit and verify every spec; FUSED=1 fused kernels, SPECS=... only some'
	@echo 'make mutate     the verifier against mutants of honest kernels; KERNELS=... PER_KERNEL=N SEED=N'
	@echo 'make check-torch   the references against PyTorch; KERNELBENCH_DIR=DIR upstream'"'"'s modules'
	@echo 'make check-hostile   a table of every known exploit and the verdict on it'
	@echo 'make check-kill kill a recorded run KILLS times and resume it: same winner, no reply paid twice'
	@echo 'make check-sweep   sweep SWEEP, killed twice: same archive, metrics as counted by a script of its own'
	@echo 'make check-slurm   SLURM_SWEEP as SHARDS shards of a Slurm array, one killed: same archive as undivided'
	@echo 'make check-serve   SERVE_CLIENTS clients of the reward server for SERVE_SECONDS, hostile ones among them'
	@echo 'make check-budget   RUNS random runs with 16 calls in flight stay within --max-cost'
	@echo 'make check-tsan 16 threads on the CPU driver, built with ThreadSanitizer'
	@echo 'make check-programs   PyCUDA and tinygrad on the CPU driver, against tests/programs; ONLY=... TINYGRAD_DIR=DIR'
	@echo 'make check-export   C headers of every honest kernel compile everywhere, and their self-tests hold'
	@echo 'make bench      time from reply to verdict against nvcc'
	@echo 'make bench-reference   the references against dgemm and a memory copy; make bench runs it too'
	@echo 'make bench-ptx  instructions a second of the PTX engine; build/tests/bench_ptx count: what counting costs'
	@echo 'make bench-loop candidates judged a second when replies cost no time; make bench runs it too'
	@echo 'make bench-tune the share of whole tune spaces that the search needs; KERNELS=... only some'
	@echo 'make bench-stats    how often timing rules are wrong, on simulated machines; COMPARISONS, SEED'
	@echo 'make bench-sceptic  20 copies of a kernel and a faster one in sittings of warpsmith bench; SEEDS'
	@echo 'make gpu-check  the checks that need a GPU; writes a JSON report to GPU_REPORT'
	@echo 'make clean      remove what was built'
	@echo 'variables       V=1 SAN=1 WERROR=1 BUILD=DIR CC=... CUDA_HOME=... VARIANTS="avx512 avx2 baseline"'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
