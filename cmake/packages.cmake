# SPDX-License-Identifier: Apache-2.0
# Foreign libraries, one imported target each. Who may link what: STYLE.md, "doors".
find_package(PkgConfig REQUIRED)
foreach(package IN ITEMS
	"uv libuv" "xxhash libxxhash" "protobufc libprotobuf-c" "curl libcurl" "jansson jansson"
	"yaml yaml-0.1" "microhttpd libmicrohttpd" "crypto libcrypto" "ssl libssl" "sqlite sqlite3" "zlib zlib"
	"zstd libzstd" "pcre2 libpcre2-8" "bpf libbpf" "capng libcap-ng" "seccomp libseccomp"
	"cmocka cmocka")
	separate_arguments(package)
	list(GET package 0 name)
	list(GET package 1 module)
	pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
	add_library(ext::${name} ALIAS PkgConfig::${name})
endforeach()
# grpc.pc names some sixty static libraries that a shared link does not need.
find_library(GRPC_LIBRARY grpc REQUIRED)
find_library(GPR_LIBRARY gpr REQUIRED)
add_library(ext_grpc INTERFACE)
target_link_libraries(ext_grpc INTERFACE ${GRPC_LIBRARY} ${GPR_LIBRARY})
add_library(ext::grpc ALIAS ext_grpc)
find_program(PROTOC_C protoc-c REQUIRED)
find_program(PROTOC protoc REQUIRED)
find_program(BPF_CLANG NAMES clang-14 clang REQUIRED)
find_program(BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)
