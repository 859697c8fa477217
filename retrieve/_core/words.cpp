// TODO

#include "arrays.hpp"
#include "module.hpp"

namespace core {

void bind_words(nb::module_ &) {}

} // namespace core
