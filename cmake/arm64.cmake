# SPDX-License-Identifier: Apache-2.0
# Toolchain file of the preset arm64: Debian's cross compiler, and as its root the folder that
# integration/arm64/sysroot.py makes (PODWARD_ARM64_ROOT in the environment).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
if(NOT DEFINED PODWARD_ARM64_ROOT)
	set(PODWARD_ARM64_ROOT "$ENV{PODWARD_ARM64_ROOT}" CACHE PATH "root of the arm64 libraries")
endif()
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PODWARD_ARM64_ROOT)
set(CMAKE_SYSROOT "${PODWARD_ARM64_ROOT}")
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_LIBDIR}
	"${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${CMAKE_SYSROOT}")
