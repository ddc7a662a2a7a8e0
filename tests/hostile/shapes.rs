//! Components that are not quite plugins, or are too much of one. What they must be refused for is told where the host
//! has words of its own for it.

use std::fmt::Write as _;

use stagegate::ErrorKind;

use super::attack::{Attack, Must};
use super::component::{custom_section, for_contract, leb, of};

/// A component's first bytes, and a core module's.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
const CORE_MODULE_SECTION: u8 = 1;
const COMPONENT_SECTION: u8 = 4;

const DIFFERS: Must = Must::BeRefused("in another shape than what this host offers");

pub(super) const ATTACKS: &[Attack] = &[
    Attack::made(
        "import_of_another_type",
        "imports a function of the contract with another parameter",
        || for_contract("trace_number", "", &[], &[("trace: func(line: string)", "trace: func(line: u32)")]),
        DIFFERS,
    ),
    Attack::made(
        "import_of_nothing",
        "imports a function that the contract has not, in an interface that it has",
        || {
            for_contract(
                "shout",
                "",
                &[],
                &[(
                    "trace: func(line: string);",
                    "trace: func(line: string);\n  @since(version = 0.1.0)\n  shout: func();",
                )],
            )
        },
        DIFFERS,
    ),
    Attack::made(
        "import_of_a_capability",
        "imports an interface that the host has not",
        || {
            let package = "package acme:shell@1.0.0; interface shell { run: func(line: string); }";
            for_contract("runs_shell", "import acme:shell/shell@1.0.0;", &[package], &[])
        },
        Must::BeRefused("this host does not offer it"),
    ),
    Attack::made(
        "export_of_another_type",
        "exports a step that returns another error",
        || {
            for_contract(
                "nothing",
                "",
                &[],
                &[(
                    "execute: func(step: string) -> result<_, fault>",
                    "execute: func(step: string) -> result<_, tuple<s32, string>>",
                )],
            )
        },
        Must::BeRefused("+ execute: func(step: string) -> result<_, fault>"),
    ),
    Attack::made(
        "declaration_that_is_none",
        "declares something else in its section",
        || declaring("[[[["),
        DECLARATION,
    ),
    Attack::made(
        "declaration_deep",
        "nests its declaration 100,000 deep",
        || declaring(&"[".repeat(100_000)),
        DECLARATION,
    ),
    Attack::made(
        "declaration_twice",
        "declares itself twice",
        || twice(of("nothing", "")),
        Must::BeRefused("two custom sections"),
    ),
    Attack::made("cut_short", "ends in the middle", cut_short, Must::BeRefused("is damaged")),
    Attack::made(
        "section_that_lies",
        "has a section that is longer than the file",
        section_that_lies,
        Must::BeRefused("is damaged"),
    ),
    Attack::made(
        "components_in_components",
        "nests components 100,000 deep",
        || with(&nested_components(100_000)),
        Must::BeRefused("nests components more than"),
    ),
    Attack::made(
        "deep_types",
        "nests lists of lists 10,000 deep",
        || with(&component(&deep_types(10_000))),
        Must::BeRefused("type nesting"),
    ),
    Attack::made(
        "doubling_types",
        "doubles the size of a type 60 times",
        || with(&component(&doubling_types(60))),
        Must::BeRefused("type size exceeds"),
    ),
    Attack::made(
        "thousands_of_instances",
        "instantiates a module 10,000 times",
        || with(&component(&instances(10_000))),
        Must::BeRefused("needs 10001 core instances, and a sandbox has 64"),
    ),
    Attack::wat(
        "gc_types",
        "has types of the garbage collector, with a heap of their own",
        Must::BeRefused("gc types are disabled"),
    ),
    Attack::wat(
        "exceptions",
        "throws exceptions, which have a heap of their own",
        Must::BeRefused("not enabled"),
    ),
    Attack::made(
        "function_too_large",
        "has a function of 8 MB",
        || with(&in_module(&large_function(), 1)),
        Must::BeRefused("and 1048576 is the most that this host compiles"),
    ),
    Attack::made(
        "too_many_locals",
        "has a function of four billion locals",
        || with(&in_module(&many_locals(), 1)),
        Must::BeRefused("too many locals"),
    ),
    Attack::made(
        "names_of_a_megabyte",
        "breaks down in functions whose names are 90,000 bytes long, for the error to repeat",
        names_of_a_megabyte,
        Must::Fail(ErrorKind::Trapped),
    ),
];

const DECLARATION: Must = Must::BeRefused("is not a declaration");

/// A plugin like any other, with a component in it that it makes an instance of.
pub(super) fn with(inner: &[u8]) -> Vec<u8> {
    const COMPONENT_INSTANCE_SECTION: u8 = 5;
    const INSTANTIATE: u8 = 0;
    let mut bytes = of("nothing", "");
    let number = sections(&bytes).filter(|id| *id == COMPONENT_SECTION).count();
    bytes.extend_from_slice(&section(COMPONENT_SECTION, inner));
    let mut instance = vec![1, INSTANTIATE];
    leb(&mut instance, number);
    instance.push(0);
    bytes.extend_from_slice(&section(COMPONENT_INSTANCE_SECTION, &instance));
    bytes
}

/// The numbers of a component's sections.
fn sections(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = &bytes[COMPONENT.len()..];
    std::iter::from_fn(move || {
        let (id, after) = rest.split_first()?;
        let end = after.iter().position(|byte| byte & 0x80 == 0).expect("a length");
        let length = after[..=end].iter().rev().fold(0, |sum, byte| (sum << 7) | usize::from(byte & 0x7f));
        rest = &after[end + 1 + length..];
        Some(*id)
    })
}

fn names_of_a_megabyte() -> Vec<u8> {
    let names: Vec<_> = (0..12).map(|number| format!("$f{number}{}", "x".repeat(90_000))).collect();
    let mut text = format!("(func {} unreachable)", names[0]);
    for pair in names.windows(2) {
        let _ = write!(text, "(func {} (call {}))", pair[1], pair[0]);
    }
    let source = super::component::text("divide_by_zero");
    let source = source.replacen("(i32.div_u", &format!("(call {}) (i32.div_u", names[11]), 1);
    let end = source.trim_end().len() - 1;
    super::component::of_text(&format!("{}{text})", &source[..end]))
}

fn declaring(text: &str) -> Vec<u8> {
    let mut bytes = for_contract("nothing", "", &[], &[]);
    custom_section(&mut bytes, "stagegate:plugin", text.as_bytes());
    bytes
}

fn twice(mut bytes: Vec<u8>) -> Vec<u8> {
    custom_section(&mut bytes, "stagegate:plugin", br#"{"steps":[]}"#);
    bytes
}

fn cut_short() -> Vec<u8> {
    let mut bytes = of("nothing", "");
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn section_that_lies() -> Vec<u8> {
    let mut bytes = of("nothing", "");
    bytes.push(CORE_MODULE_SECTION);
    leb(&mut bytes, u32::MAX as usize);
    bytes
}

pub(super) fn component(text: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {text})")).expect("a component")
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![id];
    leb(&mut bytes, content.len());
    bytes.extend_from_slice(content);
    bytes
}

/// From the innermost outwards, and so backwards: each needs the length of what is in it.
fn nested_components(depth: usize) -> Vec<u8> {
    let mut backwards: Vec<u8> = COMPONENT.iter().rev().copied().collect();
    for _ in 0..depth {
        let mut head = [COMPONENT.as_slice(), &[COMPONENT_SECTION]].concat();
        leb(&mut head, backwards.len());
        backwards.extend(head.iter().rev());
    }
    backwards.reverse();
    backwards
}

fn deep_types(depth: usize) -> String {
    let mut text = "(type $t0 (list u8))".to_owned();
    for number in 1..depth {
        let _ = write!(text, "(type $t{number} (list $t{}))", number - 1);
    }
    text
}

fn doubling_types(times: usize) -> String {
    let mut text = "(type $t0 (tuple u8 u8))".to_owned();
    for number in 1..times {
        let _ = write!(text, "(type $t{number} (tuple $t{0} $t{0}))", number - 1);
    }
    text
}

fn instances(count: usize) -> String {
    format!("(core module $m){}", "(core instance (instantiate $m))".repeat(count))
}

/// A component around a core module with so many functions, whose body is given.
pub(super) fn in_module(body: &[u8], count: usize) -> Vec<u8> {
    const TYPES: u8 = 1;
    const FUNCTIONS: u8 = 3;
    const CODE: u8 = 10;
    let (mut functions, mut code) = (Vec::new(), Vec::new());
    leb(&mut functions, count);
    functions.resize(functions.len() + count, 0);
    leb(&mut code, count);
    for _ in 0..count {
        leb(&mut code, body.len());
        code.extend_from_slice(body);
    }
    let module = [
        MODULE.to_vec(),
        section(TYPES, &[1, 0x60, 0, 0]),
        section(FUNCTIONS, &functions),
        section(CODE, &code),
    ];
    [COMPONENT.to_vec(), section(CORE_MODULE_SECTION, &module.concat())].concat()
}

fn large_function() -> Vec<u8> {
    const NOP: u8 = 0x01;
    const END: u8 = 0x0b;
    let mut body = vec![0];
    body.resize(8_000_000, NOP);
    body.push(END);
    body
}

fn many_locals() -> Vec<u8> {
    // One group of locals, of as many as a number can say, each an i32.
    vec![1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0x0b]
}
