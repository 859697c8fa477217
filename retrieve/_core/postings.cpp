// TODO

#include "arrays.hpp"
#include "module.hpp"

namespace core {

void bind_postings(nb::module_ &) {}

} // namespace core
