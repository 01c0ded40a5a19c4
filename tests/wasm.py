"""Small programs of WebAssembly, written by hand: each does one thing."""

from pathlib import Path

_COMMAND = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "hello\\n") (data (i32.const 80) "sorry\\n") (data (i32.const 96) "note")
  (func $say (param $file i32) (param $at i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $length))
    (drop (call $write (local.get $file) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $sleep (param $nanoseconds i64)
    (i32.store8 (i32.const 136) (i32.const 0)) (i32.store (i32.const 144) (i32.const 1))
    (i64.store (i32.const 152) (local.get $nanoseconds)) (i32.store16 (i32.const 168) (i32.const 0))
    (drop (call $poll (i32.const 128) (i32.const 192) (i32.const 1) (i32.const 8))))
  (func $boom unreachable)
  (func $fill (loop $more (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)) (br $more)))
  (func $deep (call $deep) (call $deep))
  (func (export "_start") BODY))"""

BODIES = {
    "hello": "(call $say (i32.const 1) (i32.const 64) (i32.const 6))"
    " (call $say (i32.const 2) (i32.const 80) (i32.const 6))",
    "exit3": "(call $exit (i32.const 3))",
    "busy": "(call $say (i32.const 1) (i32.const 64) (i32.const 6)) (loop $on (br $on))",
    "sleeper": "(call $say (i32.const 1) (i32.const 64) (i32.const 6))"
    " (loop $on (call $sleep (i64.const 1000000000000)) (br $on))",
    "nap": "(call $sleep (i64.const 1000000)) (call $say (i32.const 1) (i32.const 64) (i32.const 6))",
    # Standard input is at its end, so it waits no 1000 seconds for the clock: one event, of the kind 1.
    "ready": "(i32.store8 (i32.const 136) (i32.const 1)) (i32.store (i32.const 144) (i32.const 0))"
    " (i32.store (i32.const 192) (i32.const 1)) (i64.store (i32.const 200) (i64.const 1000000000000))"
    " (drop (call $poll (i32.const 128) (i32.const 256) (i32.const 2) (i32.const 8)))"
    " (call $exit (i32.add (i32.mul (i32.load (i32.const 8)) (i32.const 10)) (i32.load8_u (i32.const 266))))",
    # Until a moment of its monotonic clock that has passed: one event, of the kind 0.
    "passed": "(i32.store8 (i32.const 136) (i32.const 0)) (i32.store (i32.const 144) (i32.const 1))"
    " (i64.store (i32.const 152) (i64.const 1)) (i32.store16 (i32.const 168) (i32.const 1))"
    " (drop (call $poll (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 8)))"
    " (call $exit (i32.add (i32.mul (i32.load (i32.const 8)) (i32.const 10)) (i32.load8_u (i32.const 266))))",
    "trap": "(call $boom)",
    "hog": "(call $fill)",
    "deep": "(call $deep)",
    "flood": "(loop $on (call $say (i32.const 1) (i32.const 1024) (i32.const 32768)) (br $on))",
    # All arguments and variables, each with its NUL.
    "echo": "(drop (call $args_sizes (i32.const 16) (i32.const 20)))"
    " (drop (call $args (i32.const 1024) (i32.const 4096)))"
    " (call $say (i32.const 1) (i32.const 4096) (i32.load (i32.const 20)))"
    " (drop (call $environ_sizes (i32.const 16) (i32.const 20)))"
    " (drop (call $environ (i32.const 1024) (i32.const 4096)))"
    " (call $say (i32.const 1) (i32.const 4096) (i32.load (i32.const 20)))",
    # The file `note` in the first folder it was granted, or the exit code of what keeps it from that.
    "reader": "(local $error i32) (local.set $error"
    " (call $open (i32.const 3) (i32.const 0) (i32.const 96) (i32.const 4)"
    " (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16)))"
    " (if (local.get $error) (then (call $exit (local.get $error))))"
    " (i32.store (i32.const 0) (i32.const 2048)) (i32.store (i32.const 4) (i32.const 1024))"
    " (drop (call $read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 20)))"
    " (call $say (i32.const 1) (i32.const 2048) (i32.load (i32.const 20)))",
    # Makes that file, or the same.
    "writer": "(call $exit (call $open (i32.const 3) (i32.const 0) (i32.const 96) (i32.const 4)"
    " (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 16)))",
}

_COMPONENT = """(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $waits))
    (export "subscribe-duration" (func (param "when" u64) (result (own $waits))))))
  (core func $after (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core module $main
    (import "host" "after" (func $after (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (func $boom unreachable)
    (func (export "run") (result i32) BODY))
  (core instance $made (instantiate $main
    (with "host" (instance (export "after" (func $after)) (export "block" (func $block))))))
  (func $run (result (result)) (canon lift (core func $made "run")))
  (instance $exported (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $exported)))"""

COMPONENTS = {
    "well": "(i32.const 0)",
    "badly": "(i32.const 1)",
    "trapped": "(call $boom) (i32.const 0)",
    "looping": "(loop $on (br $on)) (i32.const 0)",
    "waiting": "(call $block (call $after (i64.const 1500000000))) (i32.const 0)",
}


def program(folder: Path, name: str) -> str:
    """The path of one of them, as text."""
    if name in COMPONENTS:
        return written(folder, name, _COMPONENT.replace("BODY", COMPONENTS[name]))
    return written(folder, name, _COMMAND.replace("BODY", BODIES[name]))


def written(folder: Path, name: str, text: str) -> str:
    """The path of any."""
    path = folder / f"{name}.wat"
    path.write_text(text)
    return str(path)
