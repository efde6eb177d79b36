/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The brick: a guest that costs nothing, for fault and scale tests.
 *
 * Sector 0 is this program (16-bit real mode, loaded by the BIOS at 0000:7c00); sector 1 is its memory:
 *
 *     +0   "BRICKCNT"   so that a person looking at the disk knows what it is
 *     +8   u32, little endian: how often this disk was booted
 *     +12  u8 flags: bit 0 = do not answer the power button
 *
 * At each boot the counter goes up by one and is written back; then COM1 gets
 *
 *     brick serial=<SMBIOS system serial number> boot=<counter>
 *
 * and a dot a second. Between dots the processor halts; the only interrupt left is the clock chip's "update
 * ended", once a second. An ACPI power button (looked at once a second) gets the answer "off" and power off.
 * The disk must be padded to 1 MiB: a virtio disk smaller than that is not booted.
 */
        .code16
        .globl  start

        .set    STATE, 0x8000           /* sector 1 while we run */
        .set    TABLE, 0x8400           /* copy of the first 2 KiB of the SMBIOS table */
        .set    UART, 0x3f8
        .set    PM1, 0x600              /* SeaBIOS puts the ACPI PM1 block here on pc and q35 */

start:  cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        sti
        cld
        ljmp    $0, $count

/* 1: the counter. DL is the drive we were booted from. */
count:  movw    $0x4200, %ax
        call    sector
        incl    STATE + 8
        movw    $0x4300, %ax
        call    sector

/* 2: the SMBIOS anchor, "_SM_" (32-bit) or "_SM3_" (64-bit), on a paragraph of the F segment. */
        movw    $0xf000, %ax
1:      movw    %ax, %fs
        cmpl    $0x5f4d535f, %fs:0
        movw    $0x18, %bx
        je      anchor
        cmpl    $0x334d535f, %fs:0
        movw    $0x10, %bx
        je      anchor
        incw    %ax
        jnz     1b
        jmp     tell                    /* none: the serial number stays empty */

/* The table may lie above 1 MiB: the BIOS copies it down (int 15h, function 87h). */
anchor: movl    %fs:(%bx), %eax
        movw    %ax, from + 2
        shrl    $16, %eax
        movb    %al, from + 4
        movb    %ah, from + 7
        movb    $0x87, %ah
        movw    $1024, %cx              /* words */
        movw    $descriptors, %si
        int     $0x15

/* Each structure: type, length, handle, fields; then its strings, the last followed by an empty one. */
        movw    $TABLE, %si
2:      movw    %si, %bp                /* BP = this structure, SI = its first string */
        movzbw  1(%bp), %ax
        addw    %ax, %si
        cmpb    $1, (%bp)
        je      system
        cmpb    $127, (%bp)
        je      tell
3:      lodsb
        orb     (%si), %al
        jnz     3b
        incw    %si
        jmp     2b

system: movzbw  7(%bp), %cx             /* which string is the serial number; 0: none */
        jcxz    tell
        jmp     5f
4:      lodsb
        testb   %al, %al
        jnz     4b
5:      loop    4b
        movw    %si, serial

/* 3: the line. */
tell:   movw    $t_hello, %si
        call    print
        movw    serial, %si
        call    print
        movw    $t_boot, %si
        call    print
        movl    STATE + 8, %eax
        call    number
        movw    $t_end, %si
        call    print

/* 4: one wake-up a second. */
        movw    $PM1 + 2, %dx           /* let the power button set its status bit */
        movw    $0x100, %ax
        outw    %ax, %dx
        cli
        movb    $0x30, %al              /* timer 0 to one-shot: it ticks once more, never again */
        outb    %al, $0x43
        movb    $0, %al
        outb    %al, $0x40
        outb    %al, $0x40
        movw    $second, 0x70 * 4
        movw    $0, 0x70 * 4 + 2
        movb    $0xfb, %al              /* only the cascade ... */
        outb    %al, $0x21
        movb    $0xfe, %al              /* ... and the clock chip may interrupt */
        outb    %al, $0xa1
        movb    $0x0b, %al              /* register B: 24 hours, update-ended interrupt */
        outb    %al, $0x70
        movb    $0x12, %al
        outb    %al, $0x71
        call    clock_ack
dot:    sti
        hlt
        cli
        movb    $'.', %al
        call    emit
        testb   $1, STATE + 12
        jnz     dot
        movw    $PM1, %dx
        inw     %dx, %ax
        testb   $1, %ah
        jz      dot
        movw    $t_off, %si
        call    print
        movw    $PM1 + 4, %dx           /* sleep enable, sleep type 0: off */
        movw    $0x2000, %ax
        outw    %ax, %dx
        jmp     dot

second: pushw   %ax
        call    clock_ack
        movb    $0x20, %al
        outb    %al, $0xa0
        outb    %al, $0x20
        popw    %ax
        iret

clock_ack:                              /* reading register C allows the next interrupt */
        movb    $0x0c, %al
        outb    %al, $0x70
        inb     $0x71, %al
        ret

/* Reads (AX = 4200h) or writes (4300h) sector 1; an error is told and passed by. */
sector: movw    $packet, %si
        int     $0x13
        jnc     6f
        movb    $'!', %al
        call    emit
6:      ret

/* EAX in decimal. */
number: movl    $10, %ebx
        xorl    %edx, %edx
        divl    %ebx
        pushw   %dx
        testl   %eax, %eax
        jz      7f
        call    number
7:      popw    %ax
        addb    $'0', %al
        jmp     emit

8:      call    emit
print:  lodsb
        testb   %al, %al
        jnz     8b
        ret

emit:   pushw   %dx
        pushw   %cx
        movb    %al, %ah
        xorw    %cx, %cx                /* waits for the transmitter, but not for ever */
        movw    $UART + 5, %dx
9:      inb     %dx, %al
        testb   $0x20, %al
        loopz   9b
        movb    %ah, %al
        movw    $UART, %dx
        outb    %al, %dx
        popw    %cx
        popw    %dx
        ret

t_hello: .asciz "\r\nbrick serial="
t_boot: .asciz  " boot="
t_off:  .asciz  "off\r\n"
t_end:  .asciz  "\r\n"
serial: .word   t_none
t_none: .byte   0

packet: .byte   16, 0, 1, 0             /* one sector, to 0000:STATE, number 1 */
        .word   STATE, 0
        .quad   1

descriptors:                            /* for the BIOS: two for itself, source, target, two for itself */
        .fill   16
from:   .word   0xffff, 0
        .byte   0, 0x93, 0, 0
        .word   0xffff, TABLE
        .byte   0, 0x93, 0, 0
        .fill   16

        .org    510
        .word   0xaa55
        .ascii  "BRICKCNT"
        .long   0
        .byte   0
        .org    1024
