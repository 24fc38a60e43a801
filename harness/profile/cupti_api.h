/* What is used of CUPTI: the host API, which knows chips, metrics and passes and needs no GPU, and the
 * range profiler, which counts on one. Written out, so that the build needs none of its headers; a test
 * compares symbols with the library, and every structure and number with the headers.
 *
 * Each function takes one structure of parameters, whose first member is its size as CUPTI counts it: to
 * the end of the last member that the caller knows. CUPTI has them all since 12.6. */
#ifndef HARNESS_PROFILE_CUPTI_API_H
#define HARNESS_PROFILE_CUPTI_API_H

#include "base/dynlib.h"

#include <stdint.h>

typedef struct cupti_host cupti_host;     /* CUpti_Profiler_Host_Object */
typedef struct cupti_ranges cupti_ranges; /* CUpti_RangeProfiler_Object */

/* clang-format off */
/* Members after structSize and pPriv. A CUcontext is a pointer, an enumeration an int. */
#define CUPTI_NO_MEMBERS(F)
#define CUPTI_CHIP_NAME(F) F(size_t, deviceIndex) F(const char *, pChipName)
#define CUPTI_AVAILABILITY(F) F(void *, ctx) F(size_t, counterAvailabilityImageSize) F(uint8_t *, pCounterAvailabilityImage)
#define CUPTI_HOST_INIT(F) F(int, profilerType) F(const char *, pChipName) F(const uint8_t *, pCounterAvailabilityImage) \
    F(cupti_host *, pHostObject)
#define CUPTI_HOST_DEINIT(F) F(cupti_host *, pHostObject)
#define CUPTI_HOST_CHIPS(F) F(size_t, numChips) F(const char *const *, ppChipNames)
#define CUPTI_HOST_ADD(F) F(cupti_host *, pHostObject) F(const char **, ppMetricNames) F(size_t, numMetrics)
#define CUPTI_HOST_IMAGE_SIZE(F) F(cupti_host *, pHostObject) F(size_t, configImageSize)
#define CUPTI_HOST_IMAGE(F) F(cupti_host *, pHostObject) F(size_t, configImageSize) F(uint8_t *, pConfigImage)
#define CUPTI_HOST_PASSES(F) F(size_t, configImageSize) F(uint8_t *, pConfigImage) F(size_t, numOfPasses)
#define CUPTI_HOST_EVALUATE(F) F(cupti_host *, pHostObject) F(const uint8_t *, pCounterDataImage) \
    F(size_t, counterDataImageSize) F(size_t, rangeIndex) F(const char **, ppMetricNames) F(size_t, numMetrics) \
    F(double *, pMetricValues)
#define CUPTI_RANGE_ENABLE(F) F(void *, ctx) F(cupti_ranges *, pRangeProfilerObject)
#define CUPTI_RANGE_ONLY(F) F(cupti_ranges *, pRangeProfilerObject)
#define CUPTI_RANGE_SIZE(F) F(cupti_ranges *, pRangeProfilerObject) F(const char **, pMetricNames) F(size_t, numMetrics) \
    F(size_t, maxNumOfRanges) F(uint32_t, maxNumRangeTreeNodes) F(size_t, counterDataSize)
#define CUPTI_RANGE_IMAGE(F) F(cupti_ranges *, pRangeProfilerObject) F(size_t, counterDataSize) F(uint8_t *, pCounterData)
#define CUPTI_RANGE_CONFIG(F) F(cupti_ranges *, pRangeProfilerObject) F(size_t, configSize) F(const uint8_t *, pConfig) \
    F(size_t, counterDataImageSize) F(uint8_t *, pCounterDataImage) F(int, range) F(int, replayMode) \
    F(size_t, maxRangesPerPass) F(uint16_t, numNestingLevels) F(uint16_t, minNestingLevel) F(size_t, passIndex) \
    F(uint16_t, targetNestingLevel)
#define CUPTI_RANGE_STOP(F) F(cupti_ranges *, pRangeProfilerObject) F(size_t, passIndex) F(size_t, targetNestingLevel) \
    F(uint8_t, isAllPassSubmitted)
#define CUPTI_RANGE_PUSH(F) F(cupti_ranges *, pRangeProfilerObject) F(const char *, pRangeName)
#define CUPTI_RANGE_DECODE(F) F(cupti_ranges *, pRangeProfilerObject) F(size_t, numOfRangeDropped)

/* member of cupti_api and name of our structure (cupti_p_MEMBER), function, CUPTI's structure, last member,
 * members */
#define CUPTI_LIST(X)                                                                                                   \
    X(initialize, cuptiProfilerInitialize, CUpti_Profiler_Initialize_Params, pPriv, CUPTI_NO_MEMBERS)                   \
    X(chip_name, cuptiDeviceGetChipName, CUpti_Device_GetChipName_Params, pChipName, CUPTI_CHIP_NAME)                   \
    X(availability, cuptiProfilerGetCounterAvailability, CUpti_Profiler_GetCounterAvailability_Params,                  \
      pCounterAvailabilityImage, CUPTI_AVAILABILITY)                                                                    \
    X(host_init, cuptiProfilerHostInitialize, CUpti_Profiler_Host_Initialize_Params, pHostObject, CUPTI_HOST_INIT)      \
    X(host_deinit, cuptiProfilerHostDeinitialize, CUpti_Profiler_Host_Deinitialize_Params, pHostObject,                 \
      CUPTI_HOST_DEINIT)                                                                                                \
    X(host_chips, cuptiProfilerHostGetSupportedChips, CUpti_Profiler_Host_GetSupportedChips_Params, ppChipNames,        \
      CUPTI_HOST_CHIPS)                                                                                                 \
    X(host_add, cuptiProfilerHostConfigAddMetrics, CUpti_Profiler_Host_ConfigAddMetrics_Params, numMetrics,             \
      CUPTI_HOST_ADD)                                                                                                   \
    X(host_image_size, cuptiProfilerHostGetConfigImageSize, CUpti_Profiler_Host_GetConfigImageSize_Params,              \
      configImageSize, CUPTI_HOST_IMAGE_SIZE)                                                                           \
    X(host_image, cuptiProfilerHostGetConfigImage, CUpti_Profiler_Host_GetConfigImage_Params, pConfigImage,             \
      CUPTI_HOST_IMAGE)                                                                                                 \
    X(host_passes, cuptiProfilerHostGetNumOfPasses, CUpti_Profiler_Host_GetNumOfPasses_Params, numOfPasses,             \
      CUPTI_HOST_PASSES)                                                                                                \
    X(host_evaluate, cuptiProfilerHostEvaluateToGpuValues, CUpti_Profiler_Host_EvaluateToGpuValues_Params,              \
      pMetricValues, CUPTI_HOST_EVALUATE)                                                                               \
    X(range_enable, cuptiRangeProfilerEnable, CUpti_RangeProfiler_Enable_Params, pRangeProfilerObject,                  \
      CUPTI_RANGE_ENABLE)                                                                                               \
    X(range_disable, cuptiRangeProfilerDisable, CUpti_RangeProfiler_Disable_Params, pRangeProfilerObject,               \
      CUPTI_RANGE_ONLY)                                                                                                 \
    X(range_size, cuptiRangeProfilerGetCounterDataSize, CUpti_RangeProfiler_GetCounterDataSize_Params,                  \
      counterDataSize, CUPTI_RANGE_SIZE)                                                                                \
    X(range_image, cuptiRangeProfilerCounterDataImageInitialize,                                                        \
      CUpti_RangeProfiler_CounterDataImage_Initialize_Params, pCounterData, CUPTI_RANGE_IMAGE)                          \
    X(range_config, cuptiRangeProfilerSetConfig, CUpti_RangeProfiler_SetConfig_Params, targetNestingLevel,              \
      CUPTI_RANGE_CONFIG)                                                                                               \
    X(range_start, cuptiRangeProfilerStart, CUpti_RangeProfiler_Start_Params, pRangeProfilerObject, CUPTI_RANGE_ONLY)   \
    X(range_stop, cuptiRangeProfilerStop, CUpti_RangeProfiler_Stop_Params, isAllPassSubmitted, CUPTI_RANGE_STOP)        \
    X(range_push, cuptiRangeProfilerPushRange, CUpti_RangeProfiler_PushRange_Params, pRangeName, CUPTI_RANGE_PUSH)      \
    X(range_pop, cuptiRangeProfilerPopRange, CUpti_RangeProfiler_PopRange_Params, pRangeProfilerObject,                 \
      CUPTI_RANGE_ONLY)                                                                                                 \
    X(range_decode, cuptiRangeProfilerDecodeData, CUpti_RangeProfiler_DecodeData_Params, numOfRangeDropped,             \
      CUPTI_RANGE_DECODE)
/* clang-format on */

#define CUPTI_MEMBER(type, name) type name;
#define X(member, symbol, theirs, last, members)                                                   \
    typedef struct cupti_p_##member {                                                              \
        size_t structSize;                                                                         \
        void *pPriv;                                                                               \
        members(CUPTI_MEMBER)                                                                      \
    } cupti_p_##member;                                                                            \
    enum {                                                                                         \
        CUPTI_SIZE_##member = offsetof(cupti_p_##member, last) +                                   \
                              sizeof(((cupti_p_##member *)0)->last)                                \
    };
CUPTI_LIST(X)
#undef X

typedef struct cupti_api {
#define X(member, symbol, theirs, last, members) int (*member)(cupti_p_##member *);
    CUPTI_LIST(X)
#undef X
    int (*result_string)(int result, const char **out); /* cuptiGetResultString */
} cupti_api;
extern const ws_symbols cupti_symbols;
/* Filled by prof_cupti_load, which leaves a table alone that has been filled: tests bring their own. */
extern cupti_api cupti;

enum { CUPTI_RANGE_PROFILER = 0, CUPTI_RANGE_BY_USER = 2, CUPTI_REPLAY_BY_USER = 3 };
/* CUptiResult, as far as there are words for them (cupti.c). */
enum {
    CUPTI_OK = 0,
    CUPTI_E_METRIC_NAME = 17,
    CUPTI_E_NOT_SUPPORTED = 27,
    CUPTI_E_VIRTUALIZED = 33,
    CUPTI_E_PRIVILEGES = 35,
    CUPTI_E_MULTIPLE_SUBSCRIBERS = 39,
    CUPTI_E_VIRTUALIZED_PRIVILEGES = 40,
    CUPTI_E_CONFIDENTIAL = 41,
    CUPTI_E_CMP = 42,
    CUPTI_E_MIG = 43,
    CUPTI_E_SLI = 44,
    CUPTI_E_WSL = 45
};

#endif
