/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/hypervisor/xml.h"
#include <inttypes.h>
#include "common/xml/xml.h"

static void add_attribute(struct str *out, const char *name, const char *value)
{
    str_printf(out, " %s='", name);
    xml_escape(out, value, XML_REPLACED);
    str_add_char(out, '\'');
}

static void add_sysinfo(struct str *out, const struct domain_spec *spec)
{
    char uuid[HYPERVISOR_UUID_LEN + 1];
    hypervisor_uuid(&spec->instance, uuid);
    str_printf(out,
               "<sysinfo type='smbios'><system><entry name='manufacturer'>Mallee</entry>"
               "<entry name='product'>Mallee</entry><entry name='serial'>%s</entry><entry name='uuid'>%s</entry>"
               "</system></sysinfo>",
               spec->instance.text, uuid);
}

/* The backing file is told too, and not to be relabelled: found by probing it could be made to be any file, and
 * libvirt would hand the shared image to the last domain that uses it. */
static void add_disk(struct str *out, const struct domain_spec *spec)
{
    str_add(out, "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='writeback'/><source");
    add_attribute(out, "file", spec->disk);
    str_add(out, "/>");
    if (spec->base) {
        str_add(out, "<backingStore type='file'><format type='raw'/><source");
        add_attribute(out, "file", spec->base);
        str_add(out, "><seclabel model='dac' relabel='no'/></source><backingStore/></backingStore>");
    } else {
        str_add(out, "<backingStore/>");
    }
    str_add(out, "<target dev='vda' bus='virtio'/></disk>");
}

/* append: a migration's target would truncate the file otherwise. */
static void add_console(struct str *out, const struct domain_spec *spec)
{
    static const char *const kinds[] = {"serial", "console"};
    for (int i = 0; i < 2; i++) {
        str_printf(out, "<%s type='file'><source", kinds[i]);
        add_attribute(out, "path", spec->console);
        str_printf(out, " append='on'/><target%s port='0'/></%s>", i ? " type='serial'" : "", kinds[i]);
    }
}

static void add_card(struct str *out, const struct domain_card *card)
{
    if (!card->tap)
        return;
    str_add(out, "<interface type='ethernet'><mac");
    add_attribute(out, "address", card->mac);
    str_add(out, "/><target");
    add_attribute(out, "dev", card->tap);
    str_printf(out, "/><model type='virtio'/><mtu size='%u'/><rom enabled='no'/></interface>", card->mtu ? card->mtu : 1450);
}

void xml_build_qemu(const struct hypervisor_options *o, const struct domain_spec *spec, struct str *out)
{
    str_add(out, "<domain");
    add_attribute(out, "type", o->kind);
    str_add_char(out, '>');
    xml_add_identity(out, spec);
    add_sysinfo(out, spec);
    str_add(out, "<os><type arch='x86_64'");
    add_attribute(out, "machine", o->machine ? o->machine : "pc");
    str_add(out, ">hvm</type><smbios mode='sysinfo'/></os><features><acpi/>");
    if (streq(o->kind, "qemu")) /* translated code may grow to a gibibyte otherwise */
        str_add(out, "<tcg><tb-cache unit='MiB'>128</tb-cache></tcg>");
    str_add(out, "</features>"
                 "<clock offset='utc'><timer name='hpet' present='no'/></clock>"
                 "<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>"
                 "<devices>");
    if (o->emulator) {
        str_add(out, "<emulator>");
        xml_escape(out, o->emulator, XML_REPLACED);
        str_add(out, "</emulator>");
    }
    add_disk(out, spec);
    add_card(out, &spec->card);
    add_console(out, spec);
    str_add(out, "<controller type='usb' model='none'/><memballoon model='none'/></devices>");
    str_printf(out,
               "<seclabel type='static' model='dac' relabel='yes'><label>+%" PRIu32 ":+%" PRIu32 "</label></seclabel>"
               "</domain>",
               spec->uid, spec->gid);
}
