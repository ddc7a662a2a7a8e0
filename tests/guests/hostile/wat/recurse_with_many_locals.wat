;; Recurses with frames of many locals, all of them needed after the call.
(module
  (memory (export "memory") 1)
  (func $deeper (param i64) (result i64) (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (local.set 1 (i64.mul (local.get 0) (local.get 0)))
    (local.set 2 (i64.mul (local.get 1) (local.get 0)))
    (local.set 3 (i64.mul (local.get 2) (local.get 0)))
    (local.set 4 (i64.mul (local.get 3) (local.get 0)))
    (local.set 5 (i64.mul (local.get 4) (local.get 0)))
    (local.set 6 (i64.mul (local.get 5) (local.get 0)))
    (local.set 7 (i64.mul (local.get 6) (local.get 0)))
    (local.set 8 (i64.mul (local.get 7) (local.get 0)))
    (local.set 9 (i64.mul (local.get 8) (local.get 0)))
    (local.set 10 (i64.mul (local.get 9) (local.get 0)))
    (local.set 11 (i64.mul (local.get 10) (local.get 0)))
    (local.set 12 (i64.mul (local.get 11) (local.get 0)))
    (local.set 13 (i64.mul (local.get 12) (local.get 0)))
    (local.set 14 (i64.mul (local.get 13) (local.get 0)))
    (local.set 15 (i64.mul (local.get 14) (local.get 0)))
    (local.set 16 (i64.mul (local.get 15) (local.get 0)))
    (local.set 17 (i64.mul (local.get 16) (local.get 0)))
    (local.set 18 (i64.mul (local.get 17) (local.get 0)))
    (local.set 19 (i64.mul (local.get 18) (local.get 0)))
    (local.set 20 (i64.mul (local.get 19) (local.get 0)))
    (local.set 21 (i64.mul (local.get 20) (local.get 0)))
    (local.set 22 (i64.mul (local.get 21) (local.get 0)))
    (local.set 23 (i64.mul (local.get 22) (local.get 0)))
    (local.set 24 (i64.mul (local.get 23) (local.get 0)))
    (local.set 25 (i64.mul (local.get 24) (local.get 0)))
    (local.set 26 (i64.mul (local.get 25) (local.get 0)))
    (local.set 27 (i64.mul (local.get 26) (local.get 0)))
    (local.set 28 (i64.mul (local.get 27) (local.get 0)))
    (local.set 29 (i64.mul (local.get 28) (local.get 0)))
    (local.set 30 (i64.mul (local.get 29) (local.get 0)))
    (local.set 31 (i64.mul (local.get 30) (local.get 0)))
    (local.set 32 (i64.mul (local.get 31) (local.get 0)))
    (local.set 33 (i64.mul (local.get 32) (local.get 0)))
    (local.set 34 (i64.mul (local.get 33) (local.get 0)))
    (local.set 35 (i64.mul (local.get 34) (local.get 0)))
    (local.set 36 (i64.mul (local.get 35) (local.get 0)))
    (local.set 37 (i64.mul (local.get 36) (local.get 0)))
    (local.set 38 (i64.mul (local.get 37) (local.get 0)))
    (local.set 39 (i64.mul (local.get 38) (local.get 0)))
    (local.set 40 (i64.mul (local.get 39) (local.get 0)))
    (local.set 41 (i64.mul (local.get 40) (local.get 0)))
    (local.set 42 (i64.mul (local.get 41) (local.get 0)))
    (local.set 43 (i64.mul (local.get 42) (local.get 0)))
    (local.set 44 (i64.mul (local.get 43) (local.get 0)))
    (local.set 45 (i64.mul (local.get 44) (local.get 0)))
    (local.set 46 (i64.mul (local.get 45) (local.get 0)))
    (local.set 47 (i64.mul (local.get 46) (local.get 0)))
    (local.set 48 (i64.mul (local.get 47) (local.get 0)))
    (local.set 49 (i64.mul (local.get 48) (local.get 0)))
    (local.set 50 (i64.mul (local.get 49) (local.get 0)))
    (local.set 51 (i64.mul (local.get 50) (local.get 0)))
    (local.set 52 (i64.mul (local.get 51) (local.get 0)))
    (local.set 53 (i64.mul (local.get 52) (local.get 0)))
    (local.set 54 (i64.mul (local.get 53) (local.get 0)))
    (local.set 55 (i64.mul (local.get 54) (local.get 0)))
    (local.set 56 (i64.mul (local.get 55) (local.get 0)))
    (local.set 57 (i64.mul (local.get 56) (local.get 0)))
    (local.set 58 (i64.mul (local.get 57) (local.get 0)))
    (local.set 59 (i64.mul (local.get 58) (local.get 0)))
    (local.set 60 (i64.mul (local.get 59) (local.get 0)))
    (call $deeper (local.get 60))
    local.get 1 i64.xor
    local.get 2 i64.xor
    local.get 3 i64.xor
    local.get 4 i64.xor
    local.get 5 i64.xor
    local.get 6 i64.xor
    local.get 7 i64.xor
    local.get 8 i64.xor
    local.get 9 i64.xor
    local.get 10 i64.xor
    local.get 11 i64.xor
    local.get 12 i64.xor
    local.get 13 i64.xor
    local.get 14 i64.xor
    local.get 15 i64.xor
    local.get 16 i64.xor
    local.get 17 i64.xor
    local.get 18 i64.xor
    local.get 19 i64.xor
    local.get 20 i64.xor
    local.get 21 i64.xor
    local.get 22 i64.xor
    local.get 23 i64.xor
    local.get 24 i64.xor
    local.get 25 i64.xor
    local.get 26 i64.xor
    local.get 27 i64.xor
    local.get 28 i64.xor
    local.get 29 i64.xor
    local.get 30 i64.xor
    local.get 31 i64.xor
    local.get 32 i64.xor
    local.get 33 i64.xor
    local.get 34 i64.xor
    local.get 35 i64.xor
    local.get 36 i64.xor
    local.get 37 i64.xor
    local.get 38 i64.xor
    local.get 39 i64.xor
    local.get 40 i64.xor
    local.get 41 i64.xor
    local.get 42 i64.xor
    local.get 43 i64.xor
    local.get 44 i64.xor
    local.get 45 i64.xor
    local.get 46 i64.xor
    local.get 47 i64.xor
    local.get 48 i64.xor
    local.get 49 i64.xor
    local.get 50 i64.xor
    local.get 51 i64.xor
    local.get 52 i64.xor
    local.get 53 i64.xor
    local.get 54 i64.xor
    local.get 55 i64.xor
    local.get 56 i64.xor
    local.get 57 i64.xor
    local.get 58 i64.xor
    local.get 59 i64.xor
    local.get 60 i64.xor
  )
  (func (export "stagegate:plugin/steps@0.1.0#declare") (result i32) i32.const 1024)
  (func (export "stagegate:plugin/steps@0.1.0#execute") (param i32 i32) (result i32)
    (drop (call $deeper (i64.const 3)))
    i32.const 1024)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 8192))
