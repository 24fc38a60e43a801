/* What usual kernels take from the C and C++ standard library, for the device. NVRTC has no
 * standard headers, and libcu++ costs half a second of parsing; this costs a few milliseconds.
 *
 * int64_t is long long because libcu++ declares it so under NVRTC: with long every one of its
 * headers fails. Limits are functions and enumerators, not static members, which would become
 * PTX globals. */
#include "harness/compile/internal.h"

/* One line of C++ without directives; a macro because a string for each line is unreadable. */
#define CXX(...) #__VA_ARGS__ "\n"

static const char types[] =
    "#pragma once\n"
    CXX(typedef signed char int8_t; typedef unsigned char uint8_t;)
    CXX(typedef short int16_t; typedef unsigned short uint16_t;)
    CXX(typedef int int32_t; typedef unsigned int uint32_t;)
    CXX(typedef signed long long int64_t; typedef unsigned long long uint64_t;)
    CXX(typedef int64_t intptr_t; typedef uint64_t uintptr_t;)
    CXX(typedef int64_t intmax_t; typedef uint64_t uintmax_t; typedef long ssize_t;)
    CXX(typedef unsigned int uint; typedef unsigned short ushort;)
    CXX(typedef unsigned char uchar; typedef unsigned long ulong;)
    "#define INT8_MIN (-128)\n"
    "#define INT8_MAX 127\n"
    "#define UINT8_MAX 255\n"
    "#define INT16_MIN (-32768)\n"
    "#define INT16_MAX 32767\n"
    "#define UINT16_MAX 65535\n"
    "#define INT32_MIN (-2147483647-1)\n"
    "#define INT32_MAX 2147483647\n"
    "#define UINT32_MAX 4294967295U\n"
    "#define INT64_MIN (-9223372036854775807LL-1)\n"
    "#define INT64_MAX 9223372036854775807LL\n"
    "#define UINT64_MAX 18446744073709551615ULL\n"
    "#define SIZE_MAX 18446744073709551615UL\n"
    "#define INT32_C(x) x\n"
    "#define UINT32_C(x) x##U\n"
    "#define INT64_C(x) x##LL\n"
    "#define UINT64_C(x) x##ULL\n"
    "#define CHAR_BIT 8\n"
    "#define SCHAR_MIN (-128)\n"
    "#define SCHAR_MAX 127\n"
    "#define UCHAR_MAX 255\n"
    "#define CHAR_MIN SCHAR_MIN\n"
    "#define CHAR_MAX SCHAR_MAX\n"
    "#define SHRT_MIN (-32768)\n"
    "#define SHRT_MAX 32767\n"
    "#define USHRT_MAX 65535\n"
    "#define INT_MIN (-2147483647-1)\n"
    "#define INT_MAX 2147483647\n"
    "#define UINT_MAX 4294967295U\n"
    "#define LONG_MIN (-9223372036854775807L-1)\n"
    "#define LONG_MAX 9223372036854775807L\n"
    "#define ULONG_MAX 18446744073709551615UL\n"
    "#define LLONG_MIN (-9223372036854775807LL-1)\n"
    "#define LLONG_MAX 9223372036854775807LL\n"
    "#define ULLONG_MAX 18446744073709551615ULL\n"
    "#define EXIT_SUCCESS 0\n"
    "#define EXIT_FAILURE 1\n";

/* INFINITY and NAN are constant expressions here, so that `constexpr float` and __constant__ may
 * use them. */
static const char floats[] =
    "#define FLT_RADIX 2\n"
    "#define FLT_MANT_DIG 24\n"
    "#define FLT_DIG 6\n"
    "#define FLT_DECIMAL_DIG 9\n"
    "#define FLT_MIN_EXP (-125)\n"
    "#define FLT_MAX_EXP 128\n"
    "#define FLT_EPSILON 1.192092896e-07F\n"
    "#define FLT_MIN 1.175494351e-38F\n"
    "#define FLT_MAX 3.402823466e+38F\n"
    "#define FLT_TRUE_MIN 1.401298464e-45F\n"
    "#define DBL_MANT_DIG 53\n"
    "#define DBL_DIG 15\n"
    "#define DBL_MIN_EXP (-1021)\n"
    "#define DBL_MAX_EXP 1024\n"
    "#define DBL_EPSILON 2.2204460492503131e-16\n"
    "#define DBL_MIN 2.2250738585072014e-308\n"
    "#define DBL_MAX 1.7976931348623158e+308\n"
    "#define INFINITY (__builtin_bit_cast(float, 0x7f800000))\n"
    "#define NAN (__builtin_bit_cast(float, 0x7fffffff))\n"
    "#define HUGE_VALF INFINITY\n"
    "#define HUGE_VAL (__builtin_bit_cast(double, 0x7ff0000000000000LL))\n"
    "#define M_E 2.7182818284590452354\n"
    "#define M_LOG2E 1.4426950408889634074\n"
    "#define M_LOG10E 0.43429448190325182765\n"
    "#define M_LN2 0.69314718055994530942\n"
    "#define M_LN10 2.30258509299404568402\n"
    "#define M_PI 3.14159265358979323846\n"
    "#define M_PI_2 1.57079632679489661923\n"
    "#define M_PI_4 0.78539816339744830962\n"
    "#define M_1_PI 0.31830988618379067154\n"
    "#define M_2_PI 0.63661977236758134308\n"
    "#define M_2_SQRTPI 1.12837916709551257390\n"
    "#define M_SQRT2 1.41421356237309504880\n"
    "#define M_SQRT1_2 0.70710678118654752440\n"
    CXX(constexpr float __builtin_inff() { return INFINITY; })
    CXX(constexpr float __builtin_huge_valf() { return INFINITY; })
    CXX(constexpr double __builtin_inf() { return HUGE_VAL; })
    CXX(constexpr double __builtin_huge_val() { return HUGE_VAL; })
    CXX(constexpr float __builtin_nanf(const char *) { return NAN; });

static const char std_names[] =
    "namespace std {\n"
    CXX(using ::size_t; using ::ptrdiff_t; typedef decltype(nullptr) nullptr_t;)
    CXX(using ::int8_t; using ::uint8_t; using ::int16_t; using ::uint16_t; using ::int32_t;)
    CXX(using ::uint32_t; using ::int64_t; using ::uint64_t; using ::intptr_t; using ::uintptr_t;)
    CXX(using ::abs; using ::fabs; using ::sqrt; using ::cbrt; using ::hypot; using ::pow; using ::fma;)
    CXX(using ::exp; using ::exp2; using ::expm1; using ::log; using ::log2; using ::log10;)
    CXX(using ::log1p; using ::sin; using ::cos; using ::tan; using ::asin; using ::acos; using ::atan;)
    CXX(using ::atan2; using ::sinh; using ::cosh; using ::tanh; using ::asinh; using ::acosh;)
    CXX(using ::atanh; using ::erf; using ::erfc; using ::tgamma; using ::lgamma; using ::floor;)
    CXX(using ::ceil; using ::round; using ::trunc; using ::rint; using ::nearbyint; using ::lround;)
    CXX(using ::llround; using ::fmod; using ::remainder; using ::fmax; using ::fmin; using ::fdim;)
    CXX(using ::copysign; using ::ldexp; using ::frexp; using ::modf; using ::isnan; using ::isinf;)
    CXX(using ::isfinite; using ::signbit; using ::memcpy; using ::memset; using ::printf;)
    "}\n";

static const char std_traits[] =
    "namespace std {\n"
    CXX(template <class T, T v> struct integral_constant {
        static constexpr T value = v; typedef T value_type; typedef integral_constant type;
        constexpr operator T() const { return v; } constexpr T operator()() const { return v; } };)
    CXX(template <bool B> using bool_constant = integral_constant<bool, B>;)
    CXX(typedef bool_constant<true> true_type; typedef bool_constant<false> false_type;)
    CXX(template <class T, class U> struct is_same : false_type {};)
    CXX(template <class T> struct is_same<T, T> : true_type {};)
    CXX(template <class T, class U> constexpr bool is_same_v = is_same<T, U>::value;)
    CXX(template <bool B, class T = void> struct enable_if {};)
    CXX(template <class T> struct enable_if<true, T> { typedef T type; };)
    CXX(template <bool B, class T = void> using enable_if_t = typename enable_if<B, T>::type;)
    CXX(template <bool B, class T, class F> struct conditional { typedef T type; };)
    CXX(template <class T, class F> struct conditional<false, T, F> { typedef F type; };)
    CXX(template <bool B, class T, class F> using conditional_t = typename conditional<B, T, F>::type;)
    CXX(template <class...> using void_t = void;)
    CXX(template <class T> struct remove_reference { typedef T type; };)
    CXX(template <class T> struct remove_reference<T &> { typedef T type; };)
    CXX(template <class T> struct remove_reference<T &&> { typedef T type; };)
    CXX(template <class T> using remove_reference_t = typename remove_reference<T>::type;)
    CXX(template <class T> struct remove_const { typedef T type; };)
    CXX(template <class T> struct remove_const<const T> { typedef T type; };)
    CXX(template <class T> using remove_const_t = typename remove_const<T>::type;)
    CXX(template <class T> struct remove_volatile { typedef T type; };)
    CXX(template <class T> struct remove_volatile<volatile T> { typedef T type; };)
    CXX(template <class T> struct remove_cv { typedef typename remove_volatile<remove_const_t<T>>::type type; };)
    CXX(template <class T> using remove_cv_t = typename remove_cv<T>::type;)
    CXX(template <class T> using remove_cvref_t = remove_cv_t<remove_reference_t<T>>;)
    CXX(template <class T> struct remove_pointer { typedef T type; };)
    CXX(template <class T> struct remove_pointer<T *> { typedef T type; };)
    CXX(template <class T> using remove_pointer_t = typename remove_pointer<T>::type;)
    CXX(template <class T> struct decay { typedef remove_cvref_t<T> type; };)
    CXX(template <class T> using decay_t = typename decay<T>::type;)
    "}\n";

static const char std_kinds[] =
    "namespace std {\n"
    CXX(template <class T, class... U> constexpr bool __ws_one_of = (is_same_v<remove_cv_t<T>, U> || ...);)
    CXX(template <class T> struct is_integral : bool_constant<__ws_one_of<T, bool, char, signed char,
        unsigned char, short, unsigned short, int, unsigned, long, unsigned long, long long,
        unsigned long long>> {};)
    CXX(template <class T> constexpr bool is_integral_v = is_integral<T>::value;)
    CXX(template <class T> struct is_floating_point : bool_constant<__ws_one_of<T, float, double>> {};)
    CXX(template <class T> constexpr bool is_floating_point_v = is_floating_point<T>::value;)
    CXX(template <class T> struct is_arithmetic : bool_constant<is_integral_v<T> || is_floating_point_v<T>> {};)
    CXX(template <class T> constexpr bool is_arithmetic_v = is_arithmetic<T>::value;)
    CXX(template <class T> struct is_signed : bool_constant<__ws_one_of<T, char, signed char, short, int, long,
        long long, float, double>> {};)
    CXX(template <class T> constexpr bool is_signed_v = is_signed<T>::value;)
    CXX(template <class T> struct is_unsigned : bool_constant<is_integral_v<T> && !is_signed_v<T>> {};)
    CXX(template <class T> constexpr bool is_unsigned_v = is_unsigned<T>::value;)
    CXX(template <class T> struct is_pointer : false_type {};)
    CXX(template <class T> struct is_pointer<T *> : true_type {};)
    CXX(template <class T> constexpr bool is_pointer_v = is_pointer<T>::value;)
    CXX(template <class T> struct is_void : is_same<void, remove_cv_t<T>> {};)
    CXX(template <class T> constexpr bool is_void_v = is_void<T>::value;)
    "}\n";

static const char std_algorithms[] =
    "namespace std {\n"
    CXX(template <class T> constexpr const T &max(const T &a, const T &b) { return a < b ? b : a; })
    CXX(template <class T> constexpr const T &min(const T &a, const T &b) { return b < a ? b : a; })
    CXX(template <class T> constexpr const T &clamp(const T &v, const T &lo, const T &hi)
        { return v < lo ? lo : hi < v ? hi : v; })
    CXX(template <class T> constexpr void swap(T &a, T &b) { T t = a; a = b; b = t; })
    CXX(template <class T, class U = T> constexpr T exchange(T &a, U &&b) { T t = a; a = b; return t; })
    CXX(template <class I, class T> constexpr void fill(I b, I e, const T &v) { for (; b != e; ++b) *b = v; })
    CXX(template <class I, class N, class T> constexpr I fill_n(I b, N n, const T &v)
        { for (; n > 0; --n) *b++ = v; return b; })
    CXX(template <class I, class O> constexpr O copy(I b, I e, O o) { for (; b != e; ++b) *o++ = *b; return o; })
    CXX(template <class A, class B> struct pair { typedef A first_type; typedef B second_type; A first; B second; };)
    CXX(template <class A, class B> pair(A, B) -> pair<A, B>;)
    CXX(template <class A, class B> constexpr pair<A, B> make_pair(A a, B b) { return {a, b}; })
    CXX(template <class T, size_t N> struct array { T v[N ? N : 1];
        constexpr T &operator[](size_t i) { return v[i]; }
        constexpr const T &operator[](size_t i) const { return v[i]; }
        static constexpr size_t size() { return N; }
        constexpr T *data() { return v; } constexpr const T *data() const { return v; }
        constexpr T *begin() { return v; } constexpr T *end() { return v + N; }
        constexpr const T *begin() const { return v; } constexpr const T *end() const { return v + N; }
        constexpr void fill(const T &x) { for (size_t i = 0; i < N; i++) v[i] = x; } };)
    CXX(template <class T = void> struct plus { constexpr T operator()(const T &a, const T &b) const { return a + b; } };)
    CXX(template <class T = void> struct multiplies { constexpr T operator()(const T &a, const T &b) const { return a * b; } };)
    CXX(template <class T = void> struct less { constexpr bool operator()(const T &a, const T &b) const { return a < b; } };)
    CXX(template <class T = void> struct greater { constexpr bool operator()(const T &a, const T &b) const { return a > b; } };)
    CXX(template <> struct plus<void> { template <class T, class U> constexpr auto operator()(T a, U b) const { return a + b; } };)
    CXX(template <> struct multiplies<void> { template <class T, class U> constexpr auto operator()(T a, U b) const { return a * b; } };)
    "}\n";

static const char std_limits[] =
    "namespace std {\n"
    CXX(template <class T> struct numeric_limits { enum : bool { is_specialized = false }; };)
    "#define WS_LIMITS(T, MIN, MAX, LOW, SIGNED, INTEGER, DIGITS) \\\n"
    "template <> struct numeric_limits<T> { \\\n"
    "  enum : bool { is_specialized = true, is_signed = SIGNED, is_integer = INTEGER, \\\n"
    "                has_infinity = !INTEGER, has_quiet_NaN = !INTEGER }; \\\n"
    "  enum : int { digits = DIGITS, radix = 2 }; \\\n"
    "  static constexpr T min() { return MIN; } \\\n"
    "  static constexpr T max() { return MAX; } \\\n"
    "  static constexpr T lowest() { return LOW; }\n"
    "#define WS_INT_LIMITS(T, MIN, MAX, SIGNED, DIGITS) WS_LIMITS(T, MIN, MAX, MIN, SIGNED, true, DIGITS) };\n"
    "#define WS_FLOAT_LIMITS(T, P, INF, QNAN, DIGITS) \\\n"
    "WS_LIMITS(T, P##_MIN, P##_MAX, -P##_MAX, true, false, DIGITS) \\\n"
    "  static constexpr T infinity() { return INF; } \\\n"
    "  static constexpr T quiet_NaN() { return QNAN; } \\\n"
    "  static constexpr T epsilon() { return P##_EPSILON; } };\n"
    "WS_INT_LIMITS(bool, false, true, false, 1)\n"
    "WS_INT_LIMITS(char, SCHAR_MIN, SCHAR_MAX, true, 7)\n"
    "WS_INT_LIMITS(signed char, SCHAR_MIN, SCHAR_MAX, true, 7)\n"
    "WS_INT_LIMITS(unsigned char, 0, UCHAR_MAX, false, 8)\n"
    "WS_INT_LIMITS(short, SHRT_MIN, SHRT_MAX, true, 15)\n"
    "WS_INT_LIMITS(unsigned short, 0, USHRT_MAX, false, 16)\n"
    "WS_INT_LIMITS(int, INT_MIN, INT_MAX, true, 31)\n"
    "WS_INT_LIMITS(unsigned, 0, UINT_MAX, false, 32)\n"
    "WS_INT_LIMITS(long, LONG_MIN, LONG_MAX, true, 63)\n"
    "WS_INT_LIMITS(unsigned long, 0, ULONG_MAX, false, 64)\n"
    "WS_INT_LIMITS(long long, LLONG_MIN, LLONG_MAX, true, 63)\n"
    "WS_INT_LIMITS(unsigned long long, 0, ULLONG_MAX, false, 64)\n"
    "WS_FLOAT_LIMITS(float, FLT, INFINITY, NAN, 24)\n"
    "WS_FLOAT_LIMITS(double, DBL, HUGE_VAL, (__builtin_bit_cast(double, 0x7ff8000000000000LL)), 53)\n"
    "#undef WS_LIMITS\n"
    "#undef WS_INT_LIMITS\n"
    "#undef WS_FLOAT_LIMITS\n"
    "}\n";

/* `__host__ __device__` stays what it is; a lone __host__ function becomes a device function, which
 * harms nobody, because -default-device makes unmarked functions device code already. */
static const char tail[] =
    "#ifdef __host__\n"
    "#undef __host__\n"
    "#endif\n"
    "#define __host__\n";

/* Of the runtime's device functions those that are one instruction; without a programmatic launch, which no plan
 * can ask for, they do nothing. */
static const char programmatic[] =
    "#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900\n"
    CXX(__device__ inline void cudaTriggerProgrammaticLaunchCompletion()
        { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); })
    CXX(__device__ inline void cudaGridDependencySynchronize()
        { asm volatile("griddepcontrol.wait;" ::: "memory"); })
    "#endif\n";

/* A fifth of a small compile: nvrtc.c switches it off for a source that does not speak of std. */
static const char std_begin[] = "#ifndef WARPSMITH_NO_STD\n";
static const char std_end[] = "#endif\n";

const char *const comp_prelude_part[] = {types, floats, programmatic, std_begin, std_names, std_traits, std_kinds,
                                         std_algorithms, std_limits, std_end, tail, NULL};
