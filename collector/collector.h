/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The program: what is built, in which order, and stopped in reverse. One thread (the main loop)
 * owns source, pipeline and printing; the RPC loop's thread owns the streams.
 */

/* Exit code: 0, or 1 with one line on standard error. */
int collector_main(int argc, char **argv);
