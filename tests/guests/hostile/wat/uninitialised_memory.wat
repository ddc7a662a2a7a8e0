;; Grows its memory and returns success if all of it is zero.
(module
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 8192))
  (func (export "stagegate:plugin/steps@0.1.0#declare") (result i32) i32.const 1024)
  (func (export "stagegate:plugin/steps@0.1.0#execute") (param i32 i32) (result i32) (local $at i32)
    (local.set $at (i32.const 0x10000))
    (drop (memory.grow (i32.const 256)))
    (loop $next
      (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 0x1000000))))
    i32.const 1024)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get 3)))
    (local.get $at)))
