// A module of the subjects that are compiled once, or of those that each instruction set has; `CMakeLists.txt` says which.

#include <nanobind/nanobind.h>

#include "module.hpp"

NB_MODULE(CORE_MODULE, m) {
#ifdef CORE_PLAIN
    core::bind_strings(m);
    core::bind_words(m);
    core::bind_boundaries(m);
    core::bind_postings(m);
    core::bind_rankings(m);
    core::bind_codes(m);
#else
    core::bind_select(m);
    core::bind_scoring(m);
    core::bind_planes(m);
    core::bind_signs(m);
    core::bind_dot(m);
    core::bind_winners(m);
    core::bind_projection(m);
#endif
}
