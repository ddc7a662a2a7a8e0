//! Queries: as plain data, and as FetchXML.

use std::fmt::Write as _;
use std::sync::OnceLock;

use arbitrary::{Arbitrary, Result, Unstructured};
use stagegate::{
    AttributeType, ColumnSet, Entity, EntityDefinition, ErrorKind, Filter, Join, Link, Operator, Order, Page,
    Query, Request, Value,
};

use super::{is_refusal, runtime};
use crate::World;

/// How deep filters and links are nested: beyond the host's own limits.
const DEPTH_MAX: u32 = 6;
const ENTITIES: [&str; 3] = ["account", "contact", "nobody"];
const ATTRIBUTES: [&str; 9] =
    ["name", "amount", "price", "born", "color", "colors", "parentid", "accountid", "nothing"];
const ALIASES: [&str; 3] = ["a", "b", "a.b"];

/// Runs it on a small database: answered or refused, and never a statement that the database does not understand.
pub(super) fn run(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let mut bytes = Unstructured::new(rest);
    let schema = world().host.schema();
    let query = match kind % 3 {
        0 => std::str::from_utf8(rest).ok().map(|text| Query::from_fetch_xml(text, &schema)),
        1 => fetch_xml(&mut bytes).ok().map(|text| Query::from_fetch_xml(&text, &schema)),
        _ => query(&mut bytes).ok().map(Ok),
    };
    let outcome = match query {
        None => return,
        Some(Ok(query)) => runtime().block_on(world().host.execute(Request::retrieve_multiple(query))),
        Some(Err(error)) => Err(error),
    };
    if let Err(error) = outcome {
        is_refusal(&error, &[ErrorKind::InvalidRequest]);
    }
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let lookup = |target: &str| AttributeType::Lookup { targets: vec![target.into()] };
        let account = EntityDefinition::new("account")
            .with("name", AttributeType::String { max_length: 100 })
            .with("amount", AttributeType::Integer)
            .with("price", AttributeType::Money { precision: 2 })
            .with("born", AttributeType::DateTime)
            .with("color", AttributeType::Choice { options: vec![0, 1, 2] })
            .with("colors", AttributeType::Choices { options: vec![0, 1, 2] })
            .with("parentid", lookup("account"));
        let contact = EntityDefinition::new("contact")
            .with("name", AttributeType::String { max_length: 100 })
            .with("accountid", lookup("account"));
        runtime().block_on(async {
            let world = World::with(vec![account, contact], |host| host).await;
            for name in ["Ada", "Bob"] {
                let account =
                    world.add(Entity::new("account").with("name", Value::String(name.into()))).await;
                let contact = Entity::new("contact").with("accountid", Value::EntityReference(account));
                world.add(contact).await;
            }
            world
        })
    })
}

fn one_of<T: Copy>(bytes: &mut Unstructured<'_>, of: &[T]) -> Result<T> {
    bytes.choose(of).copied()
}

fn query(bytes: &mut Unstructured<'_>) -> Result<Query> {
    let mut query = Query::new(one_of(bytes, &ENTITIES)?);
    query.columns = columns(bytes)?;
    query.filter = some(bytes, |bytes| filter(bytes, 0))?;
    query.orders = list(bytes, order)?;
    query.top = bytes.arbitrary()?;
    query.page =
        some(bytes, |bytes| Ok(Page { size: bytes.int_in_range(0..=6000)?, cookie: bytes.arbitrary()? }))?;
    query.distinct = bytes.arbitrary()?;
    query.count = bytes.arbitrary()?;
    query.links = list(bytes, |bytes| link(bytes, 0))?;
    Ok(query)
}

fn columns(bytes: &mut Unstructured<'_>) -> Result<ColumnSet> {
    if bytes.arbitrary()? {
        return Ok(ColumnSet::All);
    }
    Ok(ColumnSet::named(list(bytes, |bytes| one_of(bytes, &ATTRIBUTES))?))
}

fn filter(bytes: &mut Unstructured<'_>, depth: u32) -> Result<Filter> {
    let kind = if depth < DEPTH_MAX { bytes.int_in_range(0..=3)? } else { 2 };
    Ok(match kind {
        0 => Filter::All(list(bytes, |bytes| filter(bytes, depth + 1))?),
        1 => Filter::Any(list(bytes, |bytes| filter(bytes, depth + 1))?),
        _ => Filter::Condition {
            link: some(bytes, |bytes| Ok(one_of(bytes, &ALIASES)?.to_owned()))?,
            attribute: one_of(bytes, &ATTRIBUTES)?.to_owned(),
            operator: one_of(bytes, &Operator::ALL)?,
            values: list(bytes, value)?,
        },
    })
}

fn order(bytes: &mut Unstructured<'_>) -> Result<Order> {
    Ok(Order {
        link: some(bytes, |bytes| Ok(one_of(bytes, &ALIASES)?.to_owned()))?,
        attribute: one_of(bytes, &ATTRIBUTES)?.to_owned(),
        descending: bytes.arbitrary()?,
    })
}

fn link(bytes: &mut Unstructured<'_>, depth: u32) -> Result<Link> {
    Ok(Link {
        entity: one_of(bytes, &ENTITIES)?.to_owned(),
        from: one_of(bytes, &["accountid", "contactid", "parentid", "name"])?.to_owned(),
        to: one_of(bytes, &["accountid", "contactid", "parentid", "name"])?.to_owned(),
        alias: one_of(bytes, &ALIASES)?.to_owned(),
        join: one_of(bytes, &[Join::Inner, Join::Outer, Join::Exists, Join::NotExists])?,
        columns: columns(bytes)?,
        filter: some(bytes, |bytes| filter(bytes, DEPTH_MAX - 1))?,
        links: if depth < DEPTH_MAX { list(bytes, |bytes| link(bytes, depth + 1))? } else { Vec::new() },
    })
}

fn value(bytes: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match bytes.int_in_range(0..=7)? {
        0 => Value::Null,
        1 => Value::Integer(bytes.arbitrary()?),
        2 => Value::Double(bytes.arbitrary()?),
        3 => Value::Money(i64::arbitrary(bytes)?.into()),
        4 => Value::DateTime(stagegate::DateTime(bytes.arbitrary()?)),
        5 => Value::Choice(bytes.arbitrary()?),
        6 => Value::UniqueIdentifier(uuid::Uuid::from_bytes(bytes.arbitrary()?)),
        _ => Value::String(bytes.arbitrary()?),
    })
}

fn some<T>(
    bytes: &mut Unstructured<'_>,
    make: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if bytes.arbitrary()? { make(bytes).map(Some) } else { Ok(None) }
}

fn list<T>(
    bytes: &mut Unstructured<'_>,
    make: impl Fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = bytes.int_in_range(0..=3)?;
    (0..count).map(|_| make(bytes)).collect()
}

/// FetchXML of right form, which says any nonsense.
fn fetch_xml(bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut xml = String::from("<fetch");
    for name in ["count", "top", "page", "distinct", "aggregate", "returntotalrecordcount", "paging-cookie"] {
        if bytes.ratio(1, 4)? {
            attribute(bytes, &mut xml, name)?;
        }
    }
    write!(xml, "><entity name=\"{}\">", one_of(bytes, &ENTITIES)?).expect("a text takes all");
    elements(bytes, &mut xml, 0)?;
    xml.push_str("</entity></fetch>");
    Ok(xml)
}

fn elements(bytes: &mut Unstructured<'_>, xml: &mut String, depth: u32) -> Result<()> {
    const ELEMENTS: [&str; 7] =
        ["attribute", "all-attributes", "order", "filter", "condition", "link-entity", "value"];
    const NAMES: [&str; 12] = [
        "name",
        "attribute",
        "operator",
        "value",
        "type",
        "from",
        "to",
        "alias",
        "link-type",
        "descending",
        "entityname",
        "valueof",
    ];
    for _ in 0..bytes.int_in_range(0..=3)? {
        let element = one_of(bytes, &ELEMENTS)?;
        write!(xml, "<{element}").expect("a text takes all");
        for name in NAMES {
            if bytes.ratio(1, 3)? {
                attribute(bytes, xml, name)?;
            }
        }
        xml.push('>');
        if depth < DEPTH_MAX {
            elements(bytes, xml, depth + 1)?;
        }
        write!(xml, "</{element}>").expect("a text takes all");
    }
    Ok(())
}

fn attribute(bytes: &mut Unstructured<'_>, xml: &mut String, name: &str) -> Result<()> {
    let value = match bytes.int_in_range(0..=5)? {
        0 => one_of(bytes, &ATTRIBUTES)?.to_owned(),
        1 => one_of(bytes, &ENTITIES)?.to_owned(),
        2 => one_of(bytes, &Operator::ALL)?.name().to_owned(),
        3 => one_of(bytes, &["true", "and", "or", "inner", "outer", "any", "not any", "a", "1"])?.to_owned(),
        4 => i64::arbitrary(bytes)?.to_string(),
        _ => String::arbitrary(bytes)?,
    };
    let escaped = value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    write!(xml, " {name}=\"{escaped}\"").expect("a text takes all");
    Ok(())
}
