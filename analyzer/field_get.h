/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The getters of the field table, by part: field_evt.c, field_fd.c, field_proc.c, field_where.c;
 * and what they share. Only fields_table.c and these files use it. Thread: that of the context.
 */
#include "analyzer/fields.h"

#define FIELD_GETTER(name) \
	bool name(struct field_ctx *c, const struct field_ref *r, struct field_value *ret)

static inline bool field_text(struct field_value *ret, struct pw_slice s)
{
	ret->text = s;
	return s.len > 0;
}

static inline bool field_number(struct field_value *ret, int64_t n)
{
	ret->number = n;
	return true;
}

/* A text under construction in the scratch memory; what does not fit is cut off. */
struct field_build {
	struct field_ctx *c;
	size_t from;
};
struct field_build field_build(struct field_ctx *c);
void field_add(struct field_build *b, struct pw_slice s);
struct pw_slice field_built(const struct field_build *b);
struct pw_slice field_base_name(struct pw_slice path);
/* comm, or the base name of the executable. */
struct pw_slice field_process_name(const struct pw_process *p);
/* Number as text in the scratch memory. */
struct pw_slice field_decimal(struct field_ctx *c, int64_t n);

/* Names of bits or of one value, in tables; the rest of the bits as a number. */
struct field_name {
	uint64_t value;
	const char *name;
};
enum field_names {
	FIELD_CAPS,
	FIELD_CLONE,
	FIELD_MODE,
	FIELD_PTRACE,
	FIELD_BPF,
	FIELD_DOMAIN,
	FIELD_OPEN,
	FIELD_MOUNT
};
/* "A|B" (capabilities: "A B"); empty when no bit is set. */
struct pw_slice field_flags(struct field_ctx *c, enum field_names which, uint64_t bits);
struct pw_slice field_name_of(struct field_ctx *c, enum field_names which, uint64_t value);

FIELD_GETTER(get_evt_type);
FIELD_GETTER(get_evt_rawres);
FIELD_GETTER(get_evt_res);
FIELD_GETTER(get_evt_failed);
FIELD_GETTER(get_evt_dir);
FIELD_GETTER(get_evt_num);
FIELD_GETTER(get_evt_source);
FIELD_GETTER(get_evt_count);
FIELD_GETTER(get_evt_time);
FIELD_GETTER(get_is_open_read);
FIELD_GETTER(get_is_open_write);
FIELD_GETTER(get_is_open_create);
FIELD_GETTER(get_outcome);
FIELD_GETTER(get_io_uring);
FIELD_GETTER(get_compat);
FIELD_GETTER(get_arg_path);
FIELD_GETTER(get_arg_oldpath);
FIELD_GETTER(get_arg_newpath);
FIELD_GETTER(get_arg_target);
FIELD_GETTER(get_arg_xattr);
FIELD_GETTER(get_arg_mode);
FIELD_GETTER(get_arg_flags);
FIELD_GETTER(get_arg_uid);
FIELD_GETTER(get_arg_request);
FIELD_GETTER(get_arg_cmd);
FIELD_GETTER(get_arg_domain);
FIELD_GETTER(get_arg_option);
FIELD_GETTER(get_arg_name);
FIELD_GETTER(get_arg_signal);
FIELD_GETTER(get_arg_dev);
FIELD_GETTER(get_arg_fstype);
FIELD_GETTER(get_arg_capability);
FIELD_GETTER(get_arg_number);
FIELD_GETTER(get_dns_name);
FIELD_GETTER(get_dns_type);
FIELD_GETTER(get_dns_answers);

FIELD_GETTER(get_fd_name);
FIELD_GETTER(get_fd_directory);
FIELD_GETTER(get_fd_filename);
FIELD_GETTER(get_fd_typechar);
FIELD_GETTER(get_fd_type);
FIELD_GETTER(get_fd_num);
FIELD_GETTER(get_fd_l4proto);
FIELD_GETTER(get_fd_sip);
FIELD_GETTER(get_fd_cip);
FIELD_GETTER(get_fd_lip);
FIELD_GETTER(get_fd_rip);
FIELD_GETTER(get_fd_ip);
FIELD_GETTER(get_fd_sport);
FIELD_GETTER(get_fd_cport);
FIELD_GETTER(get_fd_lport);
FIELD_GETTER(get_fd_rport);
FIELD_GETTER(get_fd_port);
FIELD_GETTER(get_fd_family);
FIELD_GETTER(get_fd_connected);
FIELD_GETTER(get_fd_name_changed);
FIELD_GETTER(get_fd_sip_name);
FIELD_GETTER(get_fd_is_server);

FIELD_GETTER(get_name);
FIELD_GETTER(get_pname);
FIELD_GETTER(get_aname);
FIELD_GETTER(get_exe);
FIELD_GETTER(get_pexe);
FIELD_GETTER(get_aexe);
FIELD_GETTER(get_exepath);
FIELD_GETTER(get_pexepath);
FIELD_GETTER(get_aexepath);
FIELD_GETTER(get_args);
FIELD_GETTER(get_cmdline);
FIELD_GETTER(get_pcmdline);
FIELD_GETTER(get_acmdline);
FIELD_GETTER(get_cwd);
FIELD_GETTER(get_pid);
FIELD_GETTER(get_ppid);
FIELD_GETTER(get_apid);
FIELD_GETTER(get_vpid);
FIELD_GETTER(get_pvpid);
FIELD_GETTER(get_sid);
FIELD_GETTER(get_sname);
FIELD_GETTER(get_sid_leader);
FIELD_GETTER(get_tty);
FIELD_GETTER(get_duration);
FIELD_GETTER(get_ppid_duration);
FIELD_GETTER(get_upper_layer);
FIELD_GETTER(get_memfd);
FIELD_GETTER(get_deleted);
FIELD_GETTER(get_by_fd);
FIELD_GETTER(get_from_init);
FIELD_GETTER(get_script);
FIELD_GETTER(get_exe_ino);
FIELD_GETTER(get_env);
FIELD_GETTER(get_env_key);
FIELD_GETTER(get_stdin_type);
FIELD_GETTER(get_stdout_type);
FIELD_GETTER(get_stderr_type);
FIELD_GETTER(get_cap_effective);
FIELD_GETTER(get_cap_permitted);
FIELD_GETTER(get_cap_inheritable);
FIELD_GETTER(get_uid);
FIELD_GETTER(get_euid);
FIELD_GETTER(get_user_name);
FIELD_GETTER(get_gid);
FIELD_GETTER(get_group_name);
FIELD_GETTER(get_target_pid);
FIELD_GETTER(get_target_name);
FIELD_GETTER(get_target_exepath);

FIELD_GETTER(get_container_id);
FIELD_GETTER(get_container_full_id);
FIELD_GETTER(get_container_name);
FIELD_GETTER(get_container_type);
FIELD_GETTER(get_container_image);
FIELD_GETTER(get_container_repository);
FIELD_GETTER(get_container_tag);
FIELD_GETTER(get_container_digest);
FIELD_GETTER(get_container_duration);
FIELD_GETTER(get_namespace);
FIELD_GETTER(get_pod_name);
FIELD_GETTER(get_pod_uid);
FIELD_GETTER(get_workload_key);
FIELD_GETTER(get_workload_kind);
FIELD_GETTER(get_workload_name);
FIELD_GETTER(get_workload_container);
