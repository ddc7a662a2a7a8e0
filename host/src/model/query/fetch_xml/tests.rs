use super::*;
use crate::model::query::Operator;
use crate::model::query::check::DEPTH_MAX;
use crate::model::{AttributeType, DateTime, Definitions, Value};

fn schema() -> Schema {
    let text = || AttributeType::String { max_length: 100 };
    let lookup = |target: &str| AttributeType::Lookup { targets: vec![target.to_owned()] };
    let account = EntityDefinition::new("account")
        .with("name", text())
        .with("employees", AttributeType::Integer)
        .with("creditlimit", AttributeType::Money { precision: 2 })
        .with("onhold", AttributeType::Boolean)
        .with("industry", AttributeType::Choice { options: Vec::new() })
        .with("tags", AttributeType::Choices { options: Vec::new() })
        .with("primarycontactid", lookup("contact"));
    let contact =
        EntityDefinition::new("contact").with("fullname", text()).with("parentid", lookup("account"));
    let definitions: Definitions = vec![account, contact].into();
    Schema::default().extended(&definitions).expect("the definitions are valid")
}

/// What FetchXML reads as; and the query is possible.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "cases read better without references")]
fn check(text: &str, expected: Query) {
    let schema = schema();
    let query = Query::from_fetch_xml(text, &schema).expect("it is understood");
    assert_eq!(query, expected, "{text}");
    query.check(&schema).expect("it is possible");
}

/// A filter in a query over accounts.
#[track_caller]
fn check_filter(text: &str, expected: Filter) {
    let text = format!("<fetch><entity name='account'><filter>{text}</filter></entity></fetch>");
    check(&text, Query::new("account").filter(Filter::all([expected])));
}

#[track_caller]
fn refuse(text: &str, expected: &str) {
    let error = Query::from_fetch_xml(text, &schema()).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains(expected), "{error}\n{text}");
}

#[test]
fn the_whole_of_a_query() {
    let text = r#"<fetch version="1.0" output-format="xml-platform" mapping="logical" distinct="true" count="50" page="3"
               paging-cookie="abc" returntotalrecordcount="true" no-lock="false" aggregate="false">
          <!-- which accounts -->
          <entity name="account">
            <attribute name="name" />
            <attribute name="employees" />
            <order attribute="name" descending="true" />
            <filter type="or">
              <condition attribute="name" operator="like" value="A%" />
              <filter>
                <condition attribute="employees" operator="ge" value="10" />
                <condition entityname="c" attribute="fullname" operator="not-null" />
              </filter>
            </filter>
            <link-entity name="contact" from="contactid" to="primarycontactid" alias="c" link-type="outer"
                         visible="false" intersect="false">
              <attribute name="fullname" />
              <order attribute="fullname" />
              <filter><condition attribute="fullname" operator="ne" value="" /></filter>
              <link-entity name="account" from="accountid" to="parentid" alias="p" link-type="exists" />
            </link-entity>
            <order attribute="fullname" entityname="c" descending="false" />
          </entity>
        </fetch>"#;
    let named = Filter::ne("fullname", "");
    let order = |link: Option<&str>, attribute: &str, descending| Order {
        link: link.map(str::to_owned),
        attribute: attribute.to_owned(),
        descending,
    };
    let expected = Query::new("account")
        .select(["name", "employees"])
        .filter(Filter::any([
            Filter::like("name", "A%"),
            Filter::all([Filter::ge("employees", 10), Filter::not_null("fullname").on_link("c")]),
        ]))
        .order(order(None, "name", true))
        .order(order(Some("c"), "fullname", false))
        .order(order(Some("c"), "fullname", false))
        .link(
            Link::outer("contact", "contactid", "primarycontactid", "c")
                .select(["fullname"])
                .filter(Filter::all([named]))
                .link(Link::exists("account", "accountid", "parentid", "p")),
        )
        .page_after(50, "abc")
        .distinct()
        .count();
    let query = Query::from_fetch_xml(text, &schema()).expect("it is understood");
    assert_eq!(query, expected);
}

#[test]
fn columns_and_limits() {
    check("<fetch><entity name='account'/></fetch>", Query::new("account"));
    check(
        "<fetch top='3'><entity name='account'><all-attributes/></entity></fetch>",
        Query::new("account").top(3),
    );
    check("<fetch count='3' page='1'><entity name='account'/></fetch>", Query::new("account").page(3));
    check("<fetch page='1'><entity name='account'/></fetch>", Query::new("account").page(RECORDS_MAX));
    check(
        "<fetch><entity name='account'><attribute name='accountid'/><attribute name='createdon'/></entity></fetch>",
        Query::new("account").select(["accountid", "createdon"]),
    );
}

#[test]
fn links() {
    let link = |attributes: &str| {
        format!(
            "<fetch><entity name='account'><link-entity name='contact' from='parentid' to='accountid' {attributes}/>\
             </entity></fetch>"
        )
    };
    let expected = |join, alias: &str| {
        let link = Link { join, ..Link::inner("contact", "parentid", "accountid", alias) };
        Query::new("account").link(link)
    };
    check(&link(""), expected(Join::Inner, "contact1"));
    for (link_type, join) in [
        ("inner", Join::Inner),
        ("outer", Join::Outer),
        ("exists", Join::Exists),
        ("in", Join::Exists),
        ("any", Join::Exists),
        ("not any", Join::NotExists),
    ] {
        check(&link(&format!("alias='c' link-type='{link_type}'")), expected(join, "c"));
    }
    // Without an alias it gets one that nobody else has.
    let two = "<fetch><entity name='account'>
        <link-entity name='contact' from='parentid' to='accountid'/>
        <link-entity name='contact' from='parentid' to='accountid' alias='contact1'/></entity></fetch>";
    let link = |alias: &str| Link::inner("contact", "parentid", "accountid", alias);
    check(two, Query::new("account").link(link("contact2")).link(link("contact1")));
    // In a filter that holds as a whole it is as good as beside it.
    let inside = "<fetch><entity name='account'><filter><filter>
        <link-entity name='contact' from='parentid' to='accountid' link-type='not any' alias='c'/>
        </filter></filter></entity></fetch>";
    let filter = Filter::all([Filter::all([])]);
    check(inside, expected(Join::NotExists, "c").filter(filter));
}

#[test]
fn values_get_the_type_of_their_attribute() {
    let id = "0000000a-0000-4000-8000-000000000001";
    let uuid = || Value::UniqueIdentifier(id.parse().expect("a UUID"));
    let moment = |text: &str| Value::DateTime(text.parse::<DateTime>().expect("a moment"));
    let condition = |attribute: &str, operator: &str, value: &str| {
        format!("<condition attribute='{attribute}' operator='{operator}' value='{value}'/>")
    };
    for (attribute, text, value) in [
        ("name", " a &lt; b ", Value::from(" a < b ")),
        ("employees", "-7", Value::Integer(-7)),
        ("creditlimit", "12.50", Value::Money("12.5".parse().expect("a number"))),
        ("onhold", "1", Value::Boolean(true)),
        ("onhold", "false", Value::Boolean(false)),
        ("industry", "3", Value::Choice(3)),
        ("tags", "3,1", Value::Choices(vec![1, 3])),
        ("primarycontactid", id, uuid()),
        ("primarycontactid", "{0000000A-0000-4000-8000-000000000001}", uuid()),
        ("accountid", id, uuid()),
        ("versionnumber", "5000000000", Value::BigInteger(5_000_000_000)),
        ("createdon", "2026-01-31", moment("2026-01-31T00:00:00Z")),
        ("createdon", "2026-01-31 12:30:00", moment("2026-01-31T12:30:00Z")),
        ("createdon", "2026-01-31T12:30:00+02:00", moment("2026-01-31T10:30:00Z")),
    ] {
        check_filter(&condition(attribute, "eq", text), Filter::eq(attribute, value));
    }
    check_filter(&condition("name", "neq", "a"), Filter::ne("name", "a"));
    check_filter(
        &condition("createdon", "last-x-days", "3"),
        Filter::test("createdon", Operator::LastXDays, [Value::Integer(3)]),
    );
    check_filter(
        "<condition attribute='createdon' operator='today'/>",
        Filter::test("createdon", Operator::Today, []),
    );
    check_filter(
        "<condition attribute='employees' operator='in'><value>1</value><value> 2 </value></condition>",
        Filter::one_of("employees", [1, 2]),
    );
    check_filter(
        "<condition attribute='name' operator='in'><value>a<!-- and -->b<![CDATA[<]]></value></condition>",
        Filter::one_of("name", ["ab<"]),
    );
    check_filter(
        "<condition attribute='employees' operator='between'><value>1</value><value>2</value></condition>",
        Filter::between("employees", 1, 2),
    );
    check_filter(
        "<condition attribute='tags' operator='contain-values'><value>1</value></condition>",
        Filter::test("tags", Operator::ContainValues, [Value::Choice(1)]),
    );
    check_filter(
        &format!(
            "<condition attribute='primarycontactid' operator='eq' uiname='A' uitype='contact' value='{id}'/>"
        ),
        Filter::eq("primarycontactid", uuid()),
    );
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let entity = |inside: &str| format!("<fetch>\n  <entity name='account'>{inside}</entity></fetch>");
    for (text, expected) in [
        ("", "cannot be read"),
        ("<fetch>", "cannot be read"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><fetch><entity name='account'/></fetch>", "cannot be read"),
        ("<fetch>&a;</fetch>", "cannot be read"),
        ("<query/>", "line 1, column 1: the element `query` is no query"),
        ("<fetch/>", "must have one `entity`"),
        ("<fetch>account</fetch>", "line 1, column 8: `fetch` has no text"),
        ("<fetch><entity name='account'/><entity name='contact'/></fetch>", "must have one `entity`"),
        ("<fetch><entity/></fetch>", "line 1, column 8: `entity` needs the attribute `name`"),
        (
            "<fetch><entity name='acount'/></fetch>",
            "the entity `acount` is not defined; did you mean `account`?",
        ),
        ("<fetch aggregate='true'><entity name='account'/></fetch>", "line 1, column 8: `aggregate`"),
        ("<fetch x='1'><entity name='account'/></fetch>", "the attribute `x` is not supported on `fetch`"),
        ("<fetch top='x'><entity name='account'/></fetch>", "`top`: `x` is not a number"),
        ("<fetch page='2'><entity name='account'/></fetch>", "add the `paging-cookie`"),
        ("<fetch distinct='yes'><entity name='account'/></fetch>", "`yes` is neither `true` nor `false`"),
    ] {
        refuse(text, expected);
    }
    for (inside, expected) in [
        (
            "<count/>",
            "line 2, column 26: the element `count` is not supported in `entity`; possible are attribute",
        ),
        (
            "<attribute name='nam'/>",
            "column 37: `name`: the entity `account` has no attribute `nam`; did you mean",
        ),
        ("<attribute name='name' alias='x'/>", "the attribute `alias` is not supported on `attribute`"),
        ("<order attribute='nothing'/>", "no attribute `nothing`"),
        ("<order alias='x'/>", "the attribute `alias` is not supported on `order`"),
        ("<filter type='xor'/>", "`xor` is neither `and` nor `or`"),
        ("<filter><x/></filter>", "the element `x` is not supported in `filter`"),
        ("<filter><condition attribute='name'/></filter>", "needs the attribute `operator`"),
        ("<filter><condition attribute='name' operator='above' value='x'/></filter>", "no operator `above`"),
        ("<filter><condition attribute='nam' operator='null'/></filter>", "no attribute `nam`"),
        ("<filter><condition attribute='name' operator='eq'/></filter>", "`eq` takes one value, not 0"),
        (
            "<filter><condition attribute='name' operator='null' value=''/></filter>",
            "`null` takes no value, not 1",
        ),
        ("<filter><condition attribute='name' operator='today'/></filter>", "`name` is a string"),
        (
            "<filter><condition attribute='employees' operator='eq' value='x'/></filter>",
            "`x` is not of type integer",
        ),
        (
            "<filter><condition attribute='creditlimit' operator='eq' value='1.0.0'/></filter>",
            "not of type money",
        ),
        ("<filter><condition attribute='onhold' operator='eq' value='x'/></filter>", "`x` is not a boolean"),
        (
            "<filter><condition attribute='accountid' operator='eq' value='x'/></filter>",
            "is not an identifier",
        ),
        ("<filter><condition attribute='createdon' operator='on' value='x'/></filter>", "is not a moment"),
        (
            "<filter><condition attribute='name' operator='eq' valueof='name'/></filter>",
            "`valueof` is not supported",
        ),
        (
            "<filter><condition entityname='c' attribute='name' operator='null'/></filter>",
            "no link has the alias `c`",
        ),
        (
            "<filter><condition attribute='name' operator='in'><value><b/></value></condition></filter>",
            "element `b`",
        ),
        ("<link-entity name='contact' from='parentid'/>", "`link-entity` needs the attribute `to`"),
        (
            "<link-entity name='contact' from='x' to='accountid'/>",
            "`from`: the entity `contact` has no attribute `x`",
        ),
        (
            "<link-entity name='contact' from='parentid' to='x'/>",
            "`to`: the entity `account` has no attribute `x`",
        ),
        (
            "<link-entity name='contact' from='parentid' to='accountid' link-type='all'/>",
            "`all` is not supported",
        ),
        (
            "<filter type='or'><link-entity name='contact' from='parentid' to='accountid' link-type='any'/></filter>",
            "a link cannot be an alternative",
        ),
        (
            "<filter><link-entity name='contact' from='parentid' to='accountid'/></filter>",
            "in a filter a link is `any` or `not any`",
        ),
    ] {
        refuse(&entity(inside), expected);
    }
}

#[test]
fn limits() {
    let entity = |inside: &str| format!("<fetch><entity name='account'>{inside}</entity></fetch>");
    refuse(&entity(&" ".repeat(LENGTH_MAX)), "1048576 is the most");
    let deep = |count: usize| entity(&format!("{}{}", "<filter>".repeat(count), "</filter>".repeat(count)));
    Query::from_fetch_xml(&deep(DEPTH_MAX + 1), &schema()).expect("it is understood");
    refuse(&deep(DEPTH_MAX + 2), "filters nest more than 32 deep");
    refuse(&deep(10_000), "filters nest more than 32 deep");
    let link = "<link-entity name='contact' from='parentid' to='accountid'/>";
    Query::from_fetch_xml(&entity(&link.repeat(LINKS_MAX)), &schema()).expect("it is understood");
    refuse(&entity(&link.repeat(LINKS_MAX + 1)), "there are more than 15 links");
    refuse(&entity(&"<filter/>".repeat(100_000)), "cannot be read");
}
