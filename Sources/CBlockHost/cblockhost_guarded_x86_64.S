// Accesses that the handler of SIGBUS can end (cblockhost_truncation.c): none of these routines uses the
// stack, so that the handler only has to go on at cblockhost_guarded_lost, which returns false.
//
// String instructions are as fast as memcpy(3) for a page and more (ERMS), and start slowly: what is
// small goes by words. The direction flag is clear (System V ABI 3.2.1).
#if defined(__x86_64__)

    .text

    .macro routine name, is_hidden=1
    .p2align 4
    .globl \name
    .if \is_hidden
    .hidden \name
    .endif
    .type \name, @function
\name:
    .cfi_startproc
    .endm

    .macro done name
    movl $1, %eax
    ret
    .cfi_endproc
    .size \name, . - \name
    .endm

    .macro label name
    .globl \name
    .hidden \name
\name:
    .endm

    label cblockhost_guarded_begin

    // One load and one store of a width: no other access comes between the bytes.
    .macro copy_one width, move, register
    routine cblockhost_guarded_copy_\width
    \move (%rsi), \register
    \move \register, (%rdi)
    done cblockhost_guarded_copy_\width
    .endm

    copy_one 1, movb, %al
    copy_one 2, movw, %ax
    copy_one 4, movl, %eax
    copy_one 8, movq, %rax

    // These are called by their names from elsewhere.
    routine cblockhost_store_byte, 0
    movb %sil, (%rdi)
    done cblockhost_store_byte

    routine cblockhost_copy_16, 0
    movups (%rsi), %xmm0
    movups %xmm0, (%rdi)
    done cblockhost_copy_16

    routine cblockhost_copy_48, 0
    movups (%rsi), %xmm0
    movups %xmm0, (%rdi)
    movups 16(%rsi), %xmm0
    movups %xmm0, 16(%rdi)
    movups 32(%rsi), %xmm0
    movups %xmm0, 32(%rdi)
    done cblockhost_copy_48

    routine cblockhost_guarded_copy_blocks
    addq %rdx, %rdi
    addq %rdx, %rsi
    negq %rdx
1:  movups (%rsi,%rdx), %xmm0
    movups %xmm0, (%rdi,%rdx)
    addq $16, %rdx
    jnz 1b
    done cblockhost_guarded_copy_blocks

    routine cblockhost_guarded_copy_words
    addq %rdx, %rdi
    addq %rdx, %rsi
    negq %rdx
1:  movaps (%rsi,%rdx), %xmm0
    movaps 16(%rsi,%rdx), %xmm1
    movaps %xmm0, (%rdi,%rdx)
    movaps %xmm1, 16(%rdi,%rdx)
    addq $32, %rdx
    jnz 1b
    done cblockhost_guarded_copy_words

    routine cblockhost_guarded_copy_longs
    addq %rdx, %rdi
    addq %rdx, %rsi
    negq %rdx
1:  movq (%rsi,%rdx), %rax
    movq %rax, (%rdi,%rdx)
    addq $8, %rdx
    jnz 1b
    done cblockhost_guarded_copy_longs

    routine cblockhost_guarded_copy_bytes
    movq %rdx, %rcx
    rep movsb
    done cblockhost_guarded_copy_bytes

    routine cblockhost_guarded_fill
    movl %esi, %eax
    movq %rdx, %rcx
    rep stosb
    done cblockhost_guarded_fill

    label cblockhost_guarded_end

    .p2align 4
    label cblockhost_guarded_lost
    .cfi_startproc
    xorl %eax, %eax
    ret
    .cfi_endproc

#endif

    .section .note.GNU-stack, "", @progbits
