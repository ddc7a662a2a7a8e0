//! Values that cross to the host: wrong, at their limits, too large, too many.

use stagegate_sdk::__private::bindings::stagegate::plugin::types;
use stagegate_sdk::__private::bindings::stagegate::plugin::{execution_context, organization_service};
use stagegate_sdk::prelude::*;

const MIB: usize = 1 << 20;

/// What the host refused, as the step's own fault.
pub(crate) fn passed_on<T>(result: Result<T, types::Fault>) -> Result<T> {
    result.map_err(|fault| Fault::new(fault.message).with_code(fault.code))
}

fn share(value: &types::Value) -> Result {
    passed_on(execution_context::set_shared_variable("value", value))
}

fn attribute(name: &str, value: types::Value) -> types::Attribute {
    types::Attribute { name: name.to_owned(), value }
}

fn text(length: usize) -> types::Value {
    types::Value::String("x".repeat(length))
}

/// Not a number, where the contract allows none.
#[step(PreOperation, entity = "probe")]
pub(crate) fn double_that_is_no_number(_: &mut Create<Record>) -> Result {
    share(&types::Value::Double(f64::from_bits(0x7ff8_dead_beef_0001)))
}

/// 127 bits, where a decimal has 96.
#[step(PreOperation, entity = "probe")]
pub(crate) fn decimal_of_too_many_bits(_: &mut Create<Record>) -> Result {
    share(&types::Value::Decimal(types::Decimal { high: i64::MAX, low: u64::MAX, scale: 28 }))
}

/// The same attribute twice.
#[step(PreOperation, entity = "probe")]
pub(crate) fn attribute_twice(_: &mut Create<Record>) -> Result {
    let twice = [attribute("name", text(1)), attribute("name", text(2))];
    passed_on(execution_context::set_target(&twice))
}

/// Each type at its limits and beyond: taken or refused, each by itself.
#[step(PreOperation, entity = "probe")]
pub(crate) fn values_at_every_limit(ctx: &mut Create<Record>) -> Result {
    use types::Value as V;
    let decimal = |high, low, scale| types::Decimal { high, low, scale };
    let id = |half| types::UniqueIdentifier { high: half, low: half };
    let values = vec![
        V::Null,
        V::Integer(i32::MIN),
        V::Integer(i32::MAX),
        V::BigInteger(i64::MIN),
        V::BigInteger(i64::MAX),
        V::Double(f64::MIN),
        V::Double(f64::MAX),
        V::Double(f64::MIN_POSITIVE / 2.0),
        V::Double(-0.0),
        V::Double(f64::INFINITY),
        V::Double(f64::NEG_INFINITY),
        V::Decimal(decimal(i64::MIN, 0, 0)),
        V::Decimal(decimal(0, u64::MAX, 255)),
        V::Money(decimal(-1, u64::MAX, 29)),
        V::String(String::new()),
        V::String("\0\u{10ffff}\u{202e}".to_owned()),
        V::DateTime(i64::MIN),
        V::DateTime(i64::MAX),
        V::UniqueIdentifier(id(0)),
        V::UniqueIdentifier(id(u64::MAX)),
        V::Choice(i32::MIN),
        V::Choices(vec![i32::MAX; 1000]),
        V::Choices(Vec::new()),
        V::EntityReference(types::EntityReference { entity: String::new(), id: id(0) }),
    ];
    let mut refused = 0;
    for (number, value) in values.into_iter().enumerate() {
        let shared = execution_context::set_shared_variable(&number.to_string(), &value);
        refused += usize::from(shared.is_err());
        for name in ["name", "amount", "note"] {
            let record = types::Entity {
                logical_name: "inner".to_owned(),
                id: None,
                attributes: vec![attribute(name, value.clone())],
                key_attributes: Vec::new(),
            };
            refused += usize::from(organization_service::create(&record).is_err());
        }
    }
    trace!("{refused} were refused");
    ensure!(refused > 60, "only {refused} were refused");
    ctx.target.set("note", "went on");
    Ok(())
}

/// Names that would mean something to a database, a shell or a path.
#[step(PreOperation, entity = "probe")]
pub(crate) fn names_that_are_code(ctx: &mut Create<Record>) -> Result {
    for name in ["\"; DROP TABLE inner; --", "inner\0", "../inner", "INNER ", "", "$(reboot)", "名\u{202e}"]
    {
        crate::refused(name, ctx.org().create(Record::new(name)))?;
        crate::refused(name, ctx.org().create(Record::new("inner").with(name, "x")))?;
    }
    Ok(())
}

/// One string above what crosses in a call.
#[step(PreOperation, entity = "probe")]
pub(crate) fn huge_string(ctx: &mut Create<Record>) -> Result {
    ctx.trace("x".repeat(9 * MIB));
    Ok(())
}

/// A value of seven megabytes for an attribute of a hundred characters.
#[step(PreOperation, entity = "probe")]
pub(crate) fn huge_attribute(_: &mut Create<Record>) -> Result {
    passed_on(execution_context::set_target(&[attribute("name", text(7 * MIB))]))
}

/// More attributes than cross in a call.
#[step(PreOperation, entity = "probe")]
pub(crate) fn huge_list(_: &mut Create<Record>) -> Result {
    let many: Vec<_> = (0..200_000).map(|_| attribute("", types::Value::Null)).collect();
    passed_on(execution_context::set_target(&many))
}

/// A name of a megabyte, which an error would repeat.
#[step(PreOperation, entity = "probe")]
pub(crate) fn huge_names(ctx: &mut Create<Record>) -> Result {
    ctx.org().create(Record::new("x".repeat(MIB)))?;
    Ok(())
}

/// A fault with a message of seven megabytes.
#[step(PreOperation, entity = "probe")]
pub(crate) fn huge_fault(_: &mut Create<Record>) -> Result {
    Err(Fault::new("no ".repeat(7 * MIB / 3)))
}

/// A fault with a message above what crosses in a call.
#[step(PreOperation, entity = "probe")]
pub(crate) fn fault_beyond_the_call(_: &mut Create<Record>) -> Result {
    Err(Fault::new("no ".repeat(3 * MIB)))
}

/// A fault with thousands of details.
#[step(PreOperation, entity = "probe")]
pub(crate) fn thousands_of_details(_: &mut Create<Record>) -> Result {
    let none = Fault::new("too much to say");
    Err((0..50_000).fold(none, |fault, number| fault.with_detail("detail", number.to_string())))
}

/// A batch of thousands of requests.
#[step(PreOperation, entity = "probe")]
pub(crate) fn thousands_of_requests(ctx: &mut Create<Record>) -> Result {
    let one = || Request::create(Record::new("inner").with("name", "one of many"));
    ctx.org().execute_multiple((0..20_000).map(|_| one()), true)?;
    Ok(())
}

/// A batch in a batch.
#[step(PreOperation, entity = "probe")]
pub(crate) fn batches_in_batches(ctx: &mut Create<Record>) -> Result {
    ctx.org().execute_transaction([Request::new("ExecuteTransaction"), Request::new("ExecuteMultiple")])?;
    Ok(())
}

/// Thousands of shared variables.
#[step(PreOperation, entity = "probe")]
pub(crate) fn thousands_of_variables(ctx: &mut Create<Record>) -> Result {
    for number in 0..100_000 {
        ctx.set_shared_variable(&format!("variable {number}"), number)?;
    }
    Ok(())
}

/// Few shared variables, and large ones.
#[step(PreOperation, entity = "probe")]
pub(crate) fn huge_variables(ctx: &mut Create<Record>) -> Result {
    for number in 0..64 {
        ctx.set_shared_variable(&number.to_string(), "x".repeat(MIB / 4))?;
    }
    Ok(())
}
