# SPDX-License-Identifier: Apache-2.0
# Turns files into C byte arrays: cmake -DOUTPUT=x.c "-DINPUTS=a.yaml|b.yaml" "-DPARTS=c.yaml|d.yaml" -P embed.cmake
# PARTS are further files of the last input's object: their rules are appended to its rules.
string(REPLACE "|" ";" inputs "${INPUTS}")
string(REPLACE "|" ";" parts "${PARTS}")
list(GET inputs -1 whole)
set(rules_line 0a202072756c65733a0a) # "\n  rules:\n"
set(arrays "")
set(rows "")
set(index 0)
foreach(input IN LISTS inputs)
	get_filename_component(name "${input}" NAME)
	file(READ "${input}" hex HEX)
	if(input STREQUAL whole)
		foreach(part IN LISTS parts)
			file(READ "${part}" part_hex HEX)
			string(FIND "${part_hex}" ${rules_line} at)
			if(at LESS 0)
				message(FATAL_ERROR "${part} has no line '  rules:'")
			endif()
			math(EXPR at "${at} + 20")
			string(SUBSTRING "${part_hex}" ${at} -1 part_hex)
			string(APPEND hex "${part_hex}")
		endforeach()
	endif()
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
