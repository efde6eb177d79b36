/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "common/base/array.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/base64.h"
#include "common/crypto/ssh-key.h"
#include "common/spawn/spawn.h"

/* Made with ssh-keygen and openssl; the fingerprints are theirs. */
#define RSA_LINE \
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDLMmi7JgPSb5ma6KNomCFFK2DMVFQIG6/hkv7keWKpMTI9almvLjPr+UvPViQ3" \
    "PuPK8J8N/QI3+vogV/nzb+B6n4mimHH7XBqjAj7urPsSEL3WkBpaXsRqWk20VdQKmu/tzhKBl/wGB9qwH7cFp3WQCpjs7xl2cdKr" \
    "5agyASr/Q6jw8xVBx08E+9jx7AzLZo5hPZSShsAsF33qeJYL/+XC3dTYAVnAvNAtSHWRBhUJYJZyOGzMNuZoEUKXM9Szi7xrZPMr" \
    "I7upsyyP3vKOc57DxBVQpil8RW5VDbJBCGhU2UxT+Wv6ElPyyI4AAMujzx5Em6PcxD5XeXi0C3DIGw+l"
#define RSA_FINGERPRINT \
    "25:9b:8b:19:75:fd:4b:25:f8:34:a0:24:a2:72:46:01"
#define RSA_DER \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyzJouyYD0m+ZmuijaJghRStgzFRUCBuv4ZL+5HliqTEyPWpZry4z6/lL" \
    "z1YkNz7jyvCfDf0CN/r6IFf582/gep+Jophx+1waowI+7qz7EhC91pAaWl7EalpNtFXUCprv7c4SgZf8BgfasB+3Bad1kAqY7O8Z" \
    "dnHSq+WoMgEq/0Oo8PMVQcdPBPvY8ewMy2aOYT2UkobALBd96niWC//lwt3U2AFZwLzQLUh1kQYVCWCWcjhszDbmaBFClzPUs4u8" \
    "a2TzKyO7qbMsj97yjnOew8QVUKYpfEVuVQ2yQQhoVNlMU/lr+hJT8siOAADLo88eRJuj3MQ+V3l4tAtwyBsPpQIDAQAB"
#define ED_LINE \
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJP0PCwN3/MNF5S6IH3BmJcFc/T1k6ZAnfjsLLyKT9QR"
#define ED_FINGERPRINT \
    "f2L6q2lePDGPU/H3GncheWv9LJ+qTaetYZnkVAEasjU="
#define SMALL_RSA \
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQC9YZ0ZQLsr8SinMyJ4J6mz5V7TGKJlO0t7irqk2Dl7mSWLKjTNs5NTbL4puz9a" \
    "lINkLB+CTUDgV2M26iRkQAep"
#define ECDSA_LINE \
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA16z+WgoZWihGBOybW3uKxWlSFz" \
    "rEgAHAWVvL5R7oM45V1jiYpvLpG8X4zFqeZX6RFddG5MoF6wyDkLTIjFHUg= c"
static const char *const rsa_forms[] = {
    RSA_LINE,
    RSA_LINE " someone@host one\n",
    "\n " RSA_LINE "\r\n",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyzJouyYD0m+ZmuijaJgh\nRStgzF"
    "RUCBuv4ZL+5HliqTEyPWpZry4z6/lLz1YkNz7jyvCfDf0CN/r6IFf582/g\nep+Jophx+1waowI+7qz7EhC91pAaWl7EalpNtFXU"
    "Cprv7c4SgZf8BgfasB+3Bad1\nkAqY7O8ZdnHSq+WoMgEq/0Oo8PMVQcdPBPvY8ewMy2aOYT2UkobALBd96niWC//l\nwt3U2AFZ"
    "wLzQLUh1kQYVCWCWcjhszDbmaBFClzPUs4u8a2TzKyO7qbMsj97yjnOe\nw8QVUKYpfEVuVQ2yQQhoVNlMU/lr+hJT8siOAADLo8"
    "8eRJuj3MQ+V3l4tAtwyBsP\npQIDAQAB\n-----END PUBLIC KEY-----\n",
    "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"2048-bit RSA, converted by someone@host from OpenSSH\"\nAAAAB"
    "3NzaC1yc2EAAAADAQABAAABAQDLMmi7JgPSb5ma6KNomCFFK2DMVFQIG6/hkv7keW\nKpMTI9almvLjPr+UvPViQ3PuPK8J8N/QI"
    "3+vogV/nzb+B6n4mimHH7XBqjAj7urPsSEL3W\nkBpaXsRqWk20VdQKmu/tzhKBl/wGB9qwH7cFp3WQCpjs7xl2cdKr5agyASr/Q"
    "6jw8xVBx0\n8E+9jx7AzLZo5hPZSShsAsF33qeJYL/+XC3dTYAVnAvNAtSHWRBhUJYJZyOGzMNuZoEUKX\nM9Szi7xrZPMrI7ups"
    "yyP3vKOc57DxBVQpil8RW5VDbJBCGhU2UxT+Wv6ElPyyI4AAMujzx\n5Em6PcxD5XeXi0C3DIGw+l\n---- END SSH2 PUBLIC "
    "KEY ----\n",
    "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"a \\\nlong 2048-bit RSA, converted by someone@host from OpenS"
    "SH\"\nAAAAB3NzaC1yc2EAAAADAQABAAABAQDLMmi7JgPSb5ma6KNomCFFK2DMVFQIG6/hkv7keW\nKpMTI9almvLjPr+UvPViQ3"
    "PuPK8J8N/QI3+vogV/nzb+B6n4mimHH7XBqjAj7urPsSEL3W\nkBpaXsRqWk20VdQKmu/tzhKBl/wGB9qwH7cFp3WQCpjs7xl2cd"
    "Kr5agyASr/Q6jw8xVBx0\n8E+9jx7AzLZo5hPZSShsAsF33qeJYL/+XC3dTYAVnAvNAtSHWRBhUJYJZyOGzMNuZoEUKX\nM9Szi7"
    "xrZPMrI7upsyyP3vKOc57DxBVQpil8RW5VDbJBCGhU2UxT+Wv6ElPyyI4AAMujzx\n5Em6PcxD5XeXi0C3DIGw+l\n---- END S"
    "SH2 PUBLIC KEY ----\n",
    RSA_DER,
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyzJouyYD0m+ZmuijaJghRStgzFRUCBuv\n4ZL+5HliqTEyPWpZry4z6/"
    "lLz1YkNz7jyvCfDf0CN/r6IFf582/gep+Jophx+1waowI+7qz7EhC9\n1pAaWl7EalpNtFXUCprv7c4SgZf8BgfasB+3Bad1kAqY"
    "7O8ZdnHSq+WoMgEq/0Oo8PMVQcdPBPvY\n8ewMy2aOYT2UkobALBd96niWC//lwt3U2AFZwLzQLUh1kQYVCWCWcjhszDbmaBFClz"
    "PUs4u8a2Tz\nKyO7qbMsj97yjnOew8QVUKYpfEVuVQ2yQQhoVNlMU/lr+hJT8siOAADLo88eRJuj3MQ+V3l4tAtw\nyBsPpQIDAQ"
    "AB\n",
};
static const char *const ed_forms[] = {
    ED_LINE,
    ED_LINE " c",
    ("---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"256-bit ED25519, converted by someone@host from OpenSSH\"\nAA"
    "AAC3NzaC1lZDI1NTE5AAAAIJP0PCwN3/MNF5S6IH3BmJcFc/T1k6ZAnfjsLLyKT9QR\n---- END SSH2 PUBLIC KEY ----\n"),
};

static void reads(const char *text, const char *line, const char *fingerprint)
{
    struct ssh_public k = {0};
    _cleanup_error_ struct error *e = ssh_key_read(text, strlen(text), &k);
    if (e)
        fail_msg("%s: %s", text, error_message(e));
    assert_string_equal(k.line, line);
    assert_string_equal(k.fingerprint, fingerprint);
    ssh_public_free(&k);
}

static void test_every_form_is_the_same_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rsa_forms); i++)
        reads(rsa_forms[i], RSA_LINE, RSA_FINGERPRINT);
    for (size_t i = 0; i < ARRAY_SIZE(ed_forms); i++)
        reads(ed_forms[i], ED_LINE, ED_FINGERPRINT);
    _cleanup_free_ unsigned char *der = NULL;
    size_t len = 0;
    struct ssh_public k = {0};
    assert_null(base64_decode(RSA_DER, 4096, &der, &len));
    assert_null(ssh_key_read(der, len, &k));
    assert_string_equal(k.line, RSA_LINE);
    ssh_public_free(&k);
}

static void refused(const void *data, size_t len)
{
    struct ssh_public k = {0};
    _cleanup_error_ struct error *e = ssh_key_read(data, len, &k);
    if (!e)
        fail_msg("%.*s was read as %s", (int)len, (const char *)data, k.line);
    assert_null(k.line);
}

static void test_what_is_no_key_is_refused(void **state)
{
    static const char *const bad[] = {
        "", " ", "ssh-rsa", "ssh-rsa ", "ssh-rsa AAAA", "ssh-rsa AAAAB3NzaC1yc2E=", "ssh-ed25519 AAAA!", "hello", "AAAA",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY=", SMALL_RSA, ECDSA_LINE, "---- BEGIN SSH2 PUBLIC KEY ----",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJP0PCwN3/MNF5S6IH3BmJcFc/T1k6ZAnfjsLLyKT9QR",
        "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \\\n", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\n",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        refused(bad[i], strlen(bad[i]));
    char big[SSH_PUBLIC_MAX + 1];
    memset(big, 'A', sizeof big);
    refused(big, sizeof big);
}

/* Every shortened and every flipped blob is refused or is another key; none is read past its end. */
static void test_broken_blobs(void **state)
{
    _cleanup_free_ unsigned char *blob = NULL;
    size_t len = 0;
    (void)state;
    assert_null(base64_decode(&RSA_LINE[sizeof "ssh-rsa " - 1], 4096, &blob, &len));
    for (size_t cut = 0; cut < len; cut++) {
        _cleanup_free_ char *text = base64_encode(blob, cut);
        _cleanup_free_ char *line = xasprintf("ssh-rsa %s", text);
        refused(line, strlen(line));
    }
    for (size_t at = 0; at < 24; at++) {
        for (int bit = 0; bit < 8; bit++) {
            blob[at] ^= (unsigned char)(1 << bit);
            _cleanup_free_ char *text = base64_encode(blob, len);
            _cleanup_free_ char *line = xasprintf("ssh-rsa %s", text);
            struct ssh_public k = {0};
            error_free(ssh_key_read(line, strlen(line), &k));
            assert_true(!k.line || !streq(k.line, RSA_LINE));
            ssh_public_free(&k);
            blob[at] ^= (unsigned char)(1 << bit);
        }
    }
}

static char *run(const char *const *argv)
{
    struct spawn s = {.argv = argv};
    _cleanup_(spawn_result_free) struct spawn_result r = {0};
    assert_null(spawn_run(&s, &r));
    if (r.status != 0)
        fail_msg("%s: %s", argv[0], str_text(&r.output));
    return str_take(&r.output);
}

static void test_ssh_keygen_reads_what_is_made(void **state)
{
    (void)state;
    for (enum ssh_key_type type = SSH_KEY_RSA; type <= SSH_KEY_ED25519; type++) {
        struct ssh_public k = {0};
        char *private = NULL, path[] = "/tmp/mallee-key-XXXXXX";
        ssh_key_make(type, &k, &private);
        int fd = mkstemp(path);
        assert_int_equal(write(fd, private, strlen(private)), strlen(private));
        close(fd);
        assert_true(str_starts(private, type == SSH_KEY_RSA ? "-----BEGIN RSA PRIVATE KEY-----\n"
                                                            : "-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        const char *const argv[] = {"ssh-keygen", "-y", "-P", "", "-f", path, NULL};
        _cleanup_free_ char *line = run(argv);
        line[strcspn(line, "\n")] = 0;
        unlink(path);
        assert_true(str_starts(line, k.line) && (!line[strlen(k.line)] || line[strlen(k.line)] == ' '));
        struct ssh_public again = {0};
        assert_null(ssh_key_read(k.line, strlen(k.line), &again));
        assert_string_equal(again.line, k.line);
        assert_int_equal(streq(again.fingerprint, k.fingerprint), type == SSH_KEY_ED25519);
        ssh_public_free(&again);
        ssh_public_free(&k);
        free(private);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_is_the_same_key),
        cmocka_unit_test(test_what_is_no_key_is_refused),
        cmocka_unit_test(test_broken_blobs),
        cmocka_unit_test(test_ssh_keygen_reads_what_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
