# SPDX-License-Identifier: Apache-2.0
# Warning, sanitizer and hardening flags: one interface target that every target of ours links.
add_library(podward_flags INTERFACE)
target_include_directories(podward_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_definitions(podward_flags INTERFACE _GNU_SOURCE PODWARD_VERSION="${PROJECT_VERSION}")
target_compile_options(podward_flags INTERFACE
	-Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
	-Wold-style-definition -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2
	-Wimplicit-fallthrough -Wconversion -Wno-sign-conversion -Werror
	-fno-strict-aliasing -fno-omit-frame-pointer -g)
if(PODWARD_SANITIZE)
	target_compile_options(podward_flags INTERFACE -fsanitize=${PODWARD_SANITIZE} -fno-sanitize-recover=all)
	target_link_options(podward_flags INTERFACE -fsanitize=${PODWARD_SANITIZE})
endif()
if(PODWARD_FUZZ)
	target_compile_options(podward_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(PODWARD_COVERAGE)
	target_compile_options(podward_flags INTERFACE --coverage)
	target_link_options(podward_flags INTERFACE --coverage)
endif()
if(PODWARD_HARDEN)
	target_compile_options(podward_flags INTERFACE
		-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fcf-protection=full -fstack-clash-protection
		-fstack-protector-strong)
	target_link_options(podward_flags INTERFACE -pie -Wl,-z,relro,-z,now)
endif()
