// What this processor can do, asked once when the core is loaded.

#include <nanobind/nanobind.h>

namespace {

// The name of the richest module that this processor runs.
const char *level() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return "avx512";
    // Every processor with AVX2 and FMA has the rest of x86-64-v3: BMI, half precision, LZCNT.
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return "avx2";
#endif
    return "baseline";
}

} // namespace

NB_MODULE(_cpu, m) { m.def("level", &level); }
