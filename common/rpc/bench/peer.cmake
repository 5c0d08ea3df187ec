# SPDX-License-Identifier: Apache-2.0
# The C++ peer of bench_stream: only when a C++ compiler, libgrpc++-dev and protobuf-compiler-grpc are there.
include(CheckLanguage)
check_language(CXX)
find_library(GRPCXX_LIBRARY grpc++)
find_library(PROTOBUF_LIBRARY protobuf)
find_library(ABSL_SYNC_LIBRARY absl_synchronization)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin)
if(NOT CMAKE_CXX_COMPILER OR NOT GRPCXX_LIBRARY OR NOT PROTOBUF_LIBRARY OR NOT GRPC_CPP_PLUGIN)
	return()
endif()
enable_language(CXX)
set(sources "")
foreach(proto IN ITEMS podward/v1/event podward/v1/collect)
	set(out "${CMAKE_CURRENT_BINARY_DIR}/cxx/${proto}")
	add_custom_command(
		OUTPUT "${out}.pb.cc" "${out}.grpc.pb.cc"
		COMMAND ${CMAKE_COMMAND} -E make_directory "${CMAKE_CURRENT_BINARY_DIR}/cxx"
		COMMAND ${PROTOC} --cpp_out=${CMAKE_CURRENT_BINARY_DIR}/cxx --grpc_out=${CMAKE_CURRENT_BINARY_DIR}/cxx
			--plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} -I "${PROJECT_SOURCE_DIR}/protos"
			"${PROJECT_SOURCE_DIR}/protos/${proto}.proto"
		DEPENDS "${PROJECT_SOURCE_DIR}/protos/${proto}.proto")
	list(APPEND sources "${out}.pb.cc" "${out}.grpc.pb.cc")
endforeach()
add_executable(bench_stream_peer EXCLUDE_FROM_ALL bench/stream_peer.cc ${sources})
target_include_directories(bench_stream_peer PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/cxx")
target_compile_options(bench_stream_peer PRIVATE -O2 -std=c++17 -w)
target_link_libraries(bench_stream_peer PRIVATE ${GRPCXX_LIBRARY} ${GRPC_LIBRARY} ${GPR_LIBRARY} ${PROTOBUF_LIBRARY}
	${ABSL_SYNC_LIBRARY})
set_target_properties(bench_stream_peer PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
add_dependencies(bench_stream bench_stream_peer)
