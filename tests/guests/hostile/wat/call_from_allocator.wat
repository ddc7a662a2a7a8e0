;; Calls the host when the host asks it for memory, in the middle of a call.
(module
  (import "stagegate:plugin/execution-context@0.1.0" "input-parameters" (func $list (param i32)))
  (import "stagegate:plugin/tracing-service@0.1.0" "trace" (func $trace (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "stagegate:plugin/steps@0.1.0#declare") (result i32) i32.const 1024)
  (func (export "stagegate:plugin/steps@0.1.0#execute") (param i32 i32) (result i32)
    (call $list (i32.const 4096))
    i32.const 1024)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (call $trace (i32.const 0) (i32.const 0))
    i32.const 8192))
