/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CONFIG_CONFIG_H
#define COMMON_CONFIG_CONFIG_H
/* Configuration of a program, told once as a table: file, flags, --help and the manual page come from it.
 *
 * A program has a plain struct and one row of struct config_key per member.  config_load() fills the struct from the
 * defaults, then from `key = value` lines of the file, then from --key value, and checks every value; all that is
 * wrong is told at once.  The struct is read-only afterwards, owns its strings, and ends with config_free().
 *
 * Members by type: STRING, PATH, ADDRESS: char * (NULL where unset); U64, DURATION: uint64_t; BOOL: bool;
 * LIST: struct config_list. */
#include "common/base/str.h"

enum config_type {
    CONFIG_STRING,
    CONFIG_U64,      /* decimal; KiB, MiB, GiB, TiB may follow */
    CONFIG_BOOL,     /* yes, no, true, false */
    CONFIG_ADDRESS,  /* HOST:PORT or [HOST]:PORT */
    CONFIG_PATH,     /* an absolute path */
    CONFIG_LIST,     /* pieces between commas, spaces around them dropped */
    CONFIG_DURATION, /* milliseconds; ms, s, m, h may follow */
};

struct config_list {
    char **items;
    size_t len;
};

struct config_key {
    const char *name;    /* as in the file and, behind --, as a flag */
    enum config_type type;
    size_t offset;       /* of the member */
    const char *value;   /* the default as text; NULL: none */
    const char *doc;     /* a sentence or two */
    bool secret;         /* never printed; the file should be its owner's only */
    bool required;       /* unset is an error */
    uint64_t min, max;   /* of U64 and DURATION; both 0: any */
    const char *tls_key; /* of an ADDRESS that is listened on: off the loopback the key named here must be set */
};

struct config_program {
    const char *name;    /* "cloud-controller" */
    const char *summary; /* one line for --help and the manual */
    const char *file;    /* read where --config is not given, and there; NULL: none */
    bool restores;       /* --restore FILE is told of; the flag itself is its daemon's */
    const struct config_key *keys;
    size_t len;
    /* What the table cannot say: adds one line per error with config_complain(). NULL: nothing. */
    void (*check)(const void *config, struct str *complaints);
};

enum config_outcome {
    CONFIG_RUN,      /* go on; `ret_text` holds warnings, one a line, or nothing */
    CONFIG_EXIT_OK,  /* print `ret_text` and end: --help, --version, --man, --check-config that is well */
    CONFIG_EXIT_BAD, /* `ret_text` says what is wrong, a line each */
};

/* Fills `config`, a zeroed struct. */
enum config_outcome config_load(const struct config_program *p, int argc, char **argv, void *config,
                                struct str *ret_text);
void config_free(const struct config_program *p, void *config);
void config_complain(struct str *complaints, const char *format, ...) _printf_(2, 3);

/* Splits HOST:PORT; port 0 is allowed (the kernel picks one). */
struct error *config_address(const char *text, char **ret_host, uint16_t *ret_port) _must_check_;
/* True for 127.0.0.0/8, ::1 and localhost. */
bool config_address_is_loopback(const char *text);
#endif
