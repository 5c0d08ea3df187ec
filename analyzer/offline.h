/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * podward-analyzer --replay RECORDING --rules FILE…: hands over to podward-rules beside it, which
 * can read recordings and YAML; this program cannot.
 */

/* -1 = these arguments do not ask for it; else the program's exit code (it was not found). */
int offline_run(int argc, char **argv);
