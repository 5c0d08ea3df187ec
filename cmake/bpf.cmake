# SPDX-License-Identifier: Apache-2.0
# pw_bpf(NAME SOURCES a.bpf.c … DEPENDS x.h …)   BPF objects, linked into one, as a skeleton header.
#   Gives ${CMAKE_CURRENT_BINARY_DIR}/NAME.skel.h and an interface target NAME that finds it.
# Built by clang for the bpf target with our own type header: the kernel of the build machine does
# not matter.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
	set(PODWARD_BPF_ARCH x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
	set(PODWARD_BPF_ARCH arm64)
else()
	message(FATAL_ERROR "no BPF support for ${CMAKE_SYSTEM_PROCESSOR}: x86_64 and aarch64 only")
endif()

function(pw_bpf name)
	cmake_parse_arguments(A "" "" "SOURCES" ${ARGN})
	set(objects)
	foreach(source IN LISTS A_SOURCES)
		get_filename_component(stem "${source}" NAME_WLE)
		set(object "${CMAKE_CURRENT_BINARY_DIR}/${stem}.o")
		add_custom_command(OUTPUT "${object}"
			COMMAND "${BPF_CLANG}" -target bpf -D__TARGET_ARCH_${PODWARD_BPF_ARCH}
				-ffreestanding -mcpu=v2 -O2 -g -std=gnu17 -Wall -Wextra -Werror
				-Wno-unused-parameter "-I${PROJECT_SOURCE_DIR}"
				"-ffile-prefix-map=${PROJECT_SOURCE_DIR}=."
				-MD -MF "${object}.d" -MT "${object}"
				-c "${CMAKE_CURRENT_SOURCE_DIR}/${source}" -o "${object}"
			DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${source}"
			DEPFILE "${object}.d"
			COMMENT "BPF ${source}"
			VERBATIM)
		list(APPEND objects "${object}")
	endforeach()
	set(linked "${CMAKE_CURRENT_BINARY_DIR}/${name}.o")
	set(skeleton "${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h")
	add_custom_command(OUTPUT "${skeleton}"
		COMMAND "${BPFTOOL}" gen object "${linked}" ${objects}
		COMMAND "${BPFTOOL}" gen skeleton "${linked}" name ${name} > "${skeleton}.new"
		COMMAND "${CMAKE_COMMAND}" -E rename "${skeleton}.new" "${skeleton}"
		DEPENDS ${objects}
		BYPRODUCTS "${linked}"
		COMMENT "BPF skeleton ${name}"
		VERBATIM)
	add_custom_target(${name}_skeleton DEPENDS "${skeleton}")
	add_library(${name} INTERFACE)
	add_dependencies(${name} ${name}_skeleton)
	target_include_directories(${name} SYSTEM INTERFACE "${CMAKE_CURRENT_BINARY_DIR}")
endfunction()
