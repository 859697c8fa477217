// TODO

#include "arrays.hpp"
#include "module.hpp"

namespace core {

void bind_dot(nb::module_ &) {}

} // namespace core
