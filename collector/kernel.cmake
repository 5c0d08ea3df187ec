# SPDX-License-Identifier: Apache-2.0
# The kernel side and the sources of records; included by CMakeLists.txt beside it.
include(bpf)
pw_bpf(podward_bpf SOURCES
	bpf/sys.bpf.c bpf/exec.bpf.c bpf/file.bpf.c bpf/path.bpf.c bpf/plain.bpf.c
	bpf/net.bpf.c bpf/socket.bpf.c bpf/send.bpf.c bpf/signal.bpf.c bpf/cgroup.bpf.c
	bpf/uring.bpf.c bpf/capability.bpf.c bpf/noted.bpf.c)
# Security hooks: an object of their own, so that a kernel that refuses them keeps the rest.
pw_bpf(podward_hooks SOURCES bpf/hook_path.bpf.c bpf/hook_mount.bpf.c)

add_library(collector_kernel STATIC
	probe.c probe_hooks.c probe_try.c probe_optional.c ring.c kmaps.c calls.c replay.c record.c)
target_link_libraries(collector_kernel PUBLIC podward_flags pw_base
	PRIVATE podward_bpf podward_hooks ext::bpf ext::seccomp)
add_dependencies(collector_kernel podward_bpf_skeleton podward_hooks_skeleton)

pw_test(test_replay OOM LINK collector_kernel)
foreach(test IN ITEMS load exec file net scope loss hooks signal hostile)
	pw_test(test_kernel_${test} LABEL kernel SOURCES tests/test_kernel_${test}.c tests/kernel_rig.c
		LINK collector_kernel)
	set_tests_properties(test_kernel_${test} PROPERTIES RESOURCE_LOCK bpf)
endforeach()

foreach(test IN ITEMS path process socket uring)
	pw_test(test_kernel_${test} LABEL kernel LINK collector_kernel
		SOURCES tests/test_kernel_${test}.c tests/deeds.c tests/kernel_rig.c)
	set_tests_properties(test_kernel_${test} PROPERTIES RESOURCE_LOCK bpf)
endforeach()

pw_test(test_kernel_probe LABEL kernel SOURCES tests/test_kernel_probe.c tests/program.c
	LINK collector_core)
pw_test(test_kernel_privileges LABEL kernel
	SOURCES tests/test_kernel_privileges.c tests/program.c LINK collector_core)
pw_test(test_kernel_churn LABEL kernel TIMEOUT 300
	SOURCES tests/test_kernel_churn.c tests/program.c bench/watcher.c LINK collector_core)
add_dependencies(test_kernel_churn podward-collector)
add_dependencies(test_kernel_probe podward-collector)
add_dependencies(test_kernel_privileges podward-collector)
set_tests_properties(test_kernel_probe test_kernel_churn test_kernel_privileges PROPERTIES RESOURCE_LOCK bpf)
