// TODO

#include "arrays.hpp"
#include "module.hpp"

namespace core {

void bind_planes(nb::module_ &) {}

} // namespace core
