# SPDX-License-Identifier: Apache-2.0
# `cmake --build … --target docs` renews the generated parts of the docs from the built programs.
add_custom_target(docs
	COMMAND "${PROJECT_SOURCE_DIR}/tools/gen-docs.sh" "${PROJECT_BINARY_DIR}/bin"
	USES_TERMINAL
	COMMENT "generated parts of docs/")
foreach(program IN ITEMS podward-collector podward-analyzer podward-policysync)
	if(TARGET ${program})
		add_dependencies(docs ${program})
	endif()
endforeach()
