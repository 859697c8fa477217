// TODO

#include "arrays.hpp"
#include "module.hpp"

namespace core {

void bind_codes(nb::module_ &) {}

} // namespace core
