# SPDX-License-Identifier: Apache-2.0
# Turns files into C byte arrays: cmake -DOUTPUT=x.c "-DINPUTS=a.yaml|b.yaml" -P embed.cmake
string(REPLACE "|" ";" inputs "${INPUTS}")
set(arrays "")
set(rows "")
set(index 0)
foreach(input IN LISTS inputs)
	get_filename_component(name "${input}" NAME)
	file(READ "${input}" hex HEX)
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
	string(APPEND arrays "static const uint8_t file_${index}[] = {${bytes}};\n")
	string(APPEND rows "\t{\"${name}\", {file_${index}, sizeof(file_${index})}},\n")
	math(EXPR index "${index} + 1")
endforeach()
file(WRITE "${OUTPUT}" "/* made by policysync/embed.cmake */
#include \"policysync/defaults.h\"
${arrays}
const struct defaults_file defaults_files[] = {
${rows}};
const size_t defaults_file_count = ${index};
")
