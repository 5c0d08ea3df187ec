/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire/from_wire.h"

struct pw_container_def pw_container_def_of(const Podward__V1__ContainerDef *c)
{
	return (struct pw_container_def){
		.ref = c->ref,
		.pre_running = c->pre_running != 0,
		.id = pw_wire_slice(c->id),
		.pod_uid = pw_wire_slice(c->pod_uid),
		.pod_group = pw_wire_slice(c->pod_group),
		.pod_name = pw_wire_slice(c->pod_name),
		.name = pw_wire_slice(c->name),
		.image = pw_wire_slice(c->image),
		.image_digest = pw_wire_slice(c->image_digest),
		.runtime = pw_wire_slice(c->runtime),
		.started = {c->started_wall_ns},
	};
}

struct pw_process_def pw_process_def_of(const Podward__V1__ProcessDef *p)
{
	return (struct pw_process_def){
		.ref = p->ref,
		.parent_ref = p->parent_ref,
		.container = p->container,
		.pid = p->pid,
		.uid = p->uid,
		.gid = p->gid,
		.flags = p->flags,
		.tty = p->tty,
		.session = p->session,
		.exe = p->exe,
		.args = p->args,
		.cwd = p->cwd,
		.comm = p->comm,
		.env = p->env,
		.script = p->script,
		.euid = p->euid,
		.egid = p->egid,
		.vpid = p->vpid,
		.caps_effective = p->caps_effective,
		.caps_permitted = p->caps_permitted,
		.caps_inheritable = p->caps_inheritable,
		.exe_inode = p->exe_inode,
		.exe_dev = p->exe_dev,
		.start = {p->start_boot_ns},
	};
}
