// TODO

#include "arrays.hpp"
#include "module.hpp"

namespace core {

void bind_scoring(nb::module_ &) {}

} // namespace core
