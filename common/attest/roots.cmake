# roots.cmake - writes OUT: the DER files of this folder as arrays, for builtin.h.
file(GLOB ders ${CMAKE_CURRENT_LIST_DIR}/roots/*.der)
list(SORT ders)
set(arrays "/* Made from common/attest/roots by roots.cmake. */\n#include <string.h>\n\n#include \"common/attest/builtin.h\"\n")
set(rows "")
foreach(f ${ders})
  get_filename_component(name ${f} NAME_WE)
  file(READ ${f} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  string(APPEND arrays "static const uint8_t ${name}[] = {${hex}};\n")
  string(APPEND rows "    {\"${name}\", {${name}, sizeof ${name}}},\n")
endforeach()
file(WRITE ${OUT} "${arrays}
static const struct {
    const char *name;
    struct tally_slice der;
} list[] = {
${rows}};

struct tally_slice tally_builtin(const char *name)
{
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (strcmp(list[i].name, name) == 0) return list[i].der;
    }
    return (struct tally_slice){0};
}
")
