;; Gives the host the same memory again and again, so that answers overwrite each other.
(module
  (import "stagegate:plugin/execution-context@0.1.0" "input-parameters" (func $list (param i32)))
  (memory (export "memory") 1)
  (func (export "stagegate:plugin/steps@0.1.0#declare") (result i32) i32.const 1024)
  (func (export "stagegate:plugin/steps@0.1.0#execute") (param i32 i32) (result i32)
    (call $list (i32.const 4096))
    i32.const 1024)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 8192))
