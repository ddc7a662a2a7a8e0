//! Values that cross into a guest and back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};

use arbitrary::{Arbitrary as _, Result, Unstructured};
use stagegate::model::value_json::to_json;
use stagegate::{
    AttributeType, DateTime, Decimal, Entity, EntityDefinition, ErrorKind, NativeStep, Request, Stage,
    StepDefinition, Uuid, Value,
};

use super::{is_refusal, runtime};
use crate::{GUEST_ECHO, World, load};

/// Characters of the texts: about as many as an input of libFuzzer has.
const TEXT_MAX: u32 = 4000;
const OPTIONS: std::ops::Range<i32> = 0..8;

/// A Create whose values a guest gives back under other names: the same come out, or the Create is refused for what it is.
pub(super) fn run(bytes: &[u8]) {
    let Ok(values) = arbitrary_values(&mut Unstructured::new(bytes)) else { return };
    let mut record = Entity::new("echo");
    for (name, value) in &values {
        record = record.with(format!("in_{name}"), value.clone());
    }
    let echo = echo();
    match runtime().block_on(echo.world.host.execute(Request::create(record))) {
        Ok(_) => {
            let seen = echo.seen.lock().expect("what was seen").take().expect("the step after it ran");
            for (name, value) in &values {
                let back = seen.get(&format!("out_{name}")).unwrap_or(&Value::Null);
                assert_eq!(to_json(back), to_json(value), "{name}");
                assert_eq!(back, value, "{name}");
            }
        }
        Err(error) => is_refusal(&error, &[ErrorKind::InvalidRequest]),
    }
}

struct Echo {
    world: World,
    /// The target after the guest.
    seen: Arc<Mutex<Option<Entity>>>,
}

fn echo() -> &'static Echo {
    static ECHO: OnceLock<Echo> = OnceLock::new();
    ECHO.get_or_init(|| {
        let mut definition = EntityDefinition::new("echo");
        for direction in ["in", "out"] {
            for (name, attribute_type) in types() {
                definition = definition.with(format!("{direction}_{name}"), attribute_type);
            }
        }
        let seen: Arc<Mutex<Option<Entity>>> = Arc::default();
        let sees = Arc::clone(&seen);
        let look = NativeStep::new(move |cx| {
            let sees = Arc::clone(&sees);
            async move {
                *sees.lock().expect("what was seen") = cx.target()?;
                Ok::<(), stagegate::Fault>(())
            }
        });
        let world = runtime().block_on(async {
            let plugin = load(GUEST_ECHO).await;
            let step = StepDefinition::new("look", "Create", Stage::PreOperation).on("echo").rank(2);
            World::with(vec![definition], |host| host.plugin(plugin).native_step("fuzz", step, look)).await
        });
        Echo { world, seen }
    })
}

fn types() -> [(&'static str, AttributeType); 12] {
    let options = OPTIONS.collect::<Vec<_>>();
    [
        ("boolean", AttributeType::Boolean),
        ("integer", AttributeType::Integer),
        ("big", AttributeType::BigInteger),
        ("double", AttributeType::Double),
        ("decimal", AttributeType::Decimal { precision: 4 }),
        ("money", AttributeType::Money { precision: 2 }),
        ("text", AttributeType::String { max_length: TEXT_MAX }),
        ("moment", AttributeType::DateTime),
        ("identifier", AttributeType::UniqueIdentifier),
        ("choice", AttributeType::Choice { options: options.clone() }),
        ("choices", AttributeType::Choices { options }),
        ("lookup", AttributeType::Lookup { targets: vec!["echo".into()] }),
    ]
}

fn arbitrary_values(bytes: &mut Unstructured<'_>) -> Result<BTreeMap<&'static str, Value>> {
    let mut values = BTreeMap::new();
    for (name, attribute_type) in types() {
        if bytes.ratio(1, 3)? {
            continue;
        }
        values.insert(name, arbitrary_value(bytes, &attribute_type)?);
    }
    Ok(values)
}

fn arbitrary_value(bytes: &mut Unstructured<'_>, attribute_type: &AttributeType) -> Result<Value> {
    Ok(match attribute_type {
        AttributeType::Boolean => Value::Boolean(bytes.arbitrary()?),
        AttributeType::Integer => Value::Integer(bytes.arbitrary()?),
        AttributeType::BigInteger => Value::BigInteger(bytes.arbitrary()?),
        AttributeType::Double => Value::Double(bytes.arbitrary()?),
        AttributeType::Decimal { .. } => Value::Decimal(decimal(bytes)?),
        AttributeType::Money { .. } => Value::Money(decimal(bytes)?),
        AttributeType::String { .. } => Value::String(bytes.arbitrary()?),
        AttributeType::DateTime => Value::DateTime(DateTime(bytes.arbitrary()?)),
        AttributeType::UniqueIdentifier => Value::UniqueIdentifier(uuid(bytes)?),
        AttributeType::Choice { .. } => Value::Choice(i32::arbitrary(bytes)? % 16),
        // A set: written in order, each once.
        AttributeType::Choices { .. } => {
            let some: Vec<u8> = bytes.arbitrary()?;
            let some: BTreeSet<i32> = some.iter().map(|option| i32::from(*option % 16)).collect();
            Value::Choices(some.into_iter().collect())
        }
        // What it points to does not exist, which is an error of its own; none is as good.
        AttributeType::Lookup { .. } => Value::Null,
    })
}

fn decimal(bytes: &mut Unstructured<'_>) -> Result<Decimal> {
    let scale = bytes.int_in_range(0..=6)?;
    Ok(Decimal::from_i128_with_scale(i128::from(i64::arbitrary(bytes)?), scale))
}

fn uuid(bytes: &mut Unstructured<'_>) -> Result<Uuid> {
    bytes.arbitrary().map(Uuid::from_bytes)
}
