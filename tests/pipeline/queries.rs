//! Queries as requests: what depends on the time and the user, and what is refused before anything runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use stagegate::{
    AttributeType, Clock, DateTime, Entity, EntityCollection, EntityDefinition, Error, ErrorKind, Filter,
    Link, Operator, Parameter, Query, Request, Value,
};
use stagegate_tests::{World, string, text};
use uuid::Uuid;

/// A clock that the test sets.
#[derive(Clone, Debug, Default)]
struct Wrist(Arc<AtomicI64>);

impl Wrist {
    fn set(&self, time: &str) {
        let moment: DateTime = format!("2026-11-25T{time}:00Z").parse().unwrap();
        self.0.store(moment.0, Ordering::Relaxed);
    }
}

impl Clock for Wrist {
    fn now(&self) -> DateTime {
        DateTime(self.0.load(Ordering::Relaxed))
    }
}

async fn world() -> (World, Wrist) {
    let clock = Wrist::default();
    clock.set("10:00");
    let world = World::new(|host| host.clock(clock.clone())).await;
    let visit = EntityDefinition::new("visit")
        .with("name", AttributeType::String { max_length: 100 })
        .with("visitor", AttributeType::UniqueIdentifier);
    world.host.define(vec![visit]).await.unwrap();
    (world, clock)
}

async fn create(world: &World, name: &str, visitor: u128) {
    let visit = Entity::new("visit").with("name", string(name)).with("visitor", Uuid::from_u128(visitor));
    world.host.execute(Request::create(visit)).await.unwrap();
}

async fn ask(world: &World, query: Query, user: u128) -> Result<EntityCollection, Error> {
    let request = Request::retrieve_multiple(query).as_user(Uuid::from_u128(user));
    let response = world.host.execute(request).await?;
    match response.parameters.get("BusinessEntityCollection") {
        Some(Parameter::Entities(entities)) => Ok(entities.as_ref().clone()),
        other => panic!("{other:?}"),
    }
}

fn names(collection: &EntityCollection) -> Vec<String> {
    collection.entities.iter().map(|record| text(record, "name")).collect()
}

#[tokio::test]
async fn conditions_on_the_time_and_the_user_are_those_of_the_request() {
    let (world, clock) = world().await;
    create(&world, "ten", 1).await;
    clock.set("11:00");
    create(&world, "eleven", 2).await;
    let recent = || Query::new("visit").filter(Filter::test("createdon", Operator::LastXHours, [1.into()]));
    assert_eq!(names(&ask(&world, recent(), 1).await.unwrap()), ["ten", "eleven"]);
    clock.set("11:30");
    assert_eq!(names(&ask(&world, recent(), 1).await.unwrap()), ["eleven"]);
    let mine = || Query::new("visit").filter(Filter::test("visitor", Operator::EqUserId, []));
    assert_eq!(names(&ask(&world, mine(), 1).await.unwrap()), ["ten"]);
    assert_eq!(names(&ask(&world, mine(), 2).await.unwrap()), ["eleven"]);
    // Also in a link.
    let link = Link::inner("visit", "visitid", "visitid", "same");
    let linked = Query::new("visit").link(link.filter(Filter::test("visitor", Operator::NeUserId, [])));
    assert_eq!(names(&ask(&world, linked, 2).await.unwrap()), ["ten"]);
}

#[tokio::test]
async fn all_pages_of_a_query_count_from_the_moment_of_the_first() {
    let (world, clock) = world().await;
    for (time, name) in [("10:00", "a"), ("10:10", "b"), ("10:20", "c")] {
        clock.set(time);
        create(&world, name, 1).await;
    }
    clock.set("10:30");
    let query = |hours: i32| {
        let recent = Filter::test("createdon", Operator::LastXHours, [hours.into()]);
        Query::new("visit").filter(recent).order_by("createdon")
    };
    let first = ask(&world, query(1).page(1), 1).await.unwrap();
    let mut found = names(&first);
    // An hour later none of them is of the last hour, and another one is.
    clock.set("11:30");
    create(&world, "d", 1).await;
    let mut cookie = first.paging_cookie;
    while let Some(text) = cookie {
        let page = ask(&world, query(1).page_after(1, text), 1).await.unwrap();
        found.extend(names(&page));
        cookie = page.paging_cookie;
    }
    assert_eq!(found, ["a", "b", "c"]);
    // Such a cookie is as hard to bend as others.
    let cookie = ask(&world, query(2).page(1), 1).await.unwrap().paging_cookie.unwrap();
    for (cookie, query, expected) in [
        (cookie[..cookie.len() - 2].to_owned(), query(2), "was changed or cut off"),
        (format!("A{}", &cookie[1..]).replace("AA", "BB"), query(2), "was changed or cut off"),
        (cookie, query(1), "belongs to another query"),
    ] {
        let error = ask(&world, query.page_after(1, cookie), 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_cookie_of_one_user_is_none_of_another() {
    let (world, _) = world().await;
    for name in ["a", "b"] {
        create(&world, name, 1).await;
    }
    let mine = || Query::new("visit").filter(Filter::test("visitor", Operator::EqUserId, []));
    let cookie = ask(&world, mine().page(1), 1).await.unwrap().paging_cookie.unwrap();
    let error = ask(&world, mine().page_after(1, &cookie), 2).await.unwrap_err();
    assert!(error.message().contains("belongs to another query"), "{error}");
    assert_eq!(names(&ask(&world, mine().page_after(1, cookie), 1).await.unwrap()), ["b"]);
}

#[tokio::test]
async fn queries_are_checked_as_they_arrive() {
    let (world, _) = world().await;
    let visits = || Query::new("visit");
    for (query, expected) in [
        (Query::new("visits"), "the entity `visits` is not defined; did you mean `visit`?"),
        (visits().select(["nam"]), "no attribute `nam`; did you mean `name`?"),
        (visits().filter(Filter::eq("nam", "a")), "no attribute `nam`"),
        (visits().filter(Filter::eq("name", 1)), "needs a value of type string, not integer (1)"),
        (visits().order_by("nam"), "no attribute `nam`"),
        (visits().link(Link::inner("visit", "nam", "name", "v")), "no attribute `nam`"),
        (visits().filter(Filter::test("createdon", Operator::LastXDays, [Value::Integer(0)])), "1 or more"),
        (visits().page(0), "1 to 5000 is possible"),
    ] {
        let error = ask(&world, query, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn fetch_xml_is_another_way_to_write_a_query() {
    let (world, _) = world().await;
    for (name, visitor) in [("a", 1), ("b", 2), ("c", 1)] {
        create(&world, name, visitor).await;
    }
    let mut found = Vec::new();
    let mut cookie = String::new();
    for page in 1.. {
        let text = format!(
            r#"<fetch count="1" page="{page}" paging-cookie="{cookie}" returntotalrecordcount="true">
                 <entity name="visit">
                   <attribute name="name" />
                   <filter><condition attribute="visitor" operator="eq-userid" /></filter>
                   <link-entity name="visit" from="visitid" to="visitid" alias="same">
                     <attribute name="createdon" />
                   </link-entity>
                   <order attribute="name" descending="true" />
                 </entity>
               </fetch>"#
        );
        let query = Query::from_fetch_xml(&text, &world.host.schema()).unwrap();
        let answer = ask(&world, query, 1).await.unwrap();
        assert_eq!(answer.total_record_count, Some(2));
        assert!(answer.entities.iter().all(|record| record.get("same.createdon").is_some()));
        found.extend(names(&answer));
        let Some(next) = answer.paging_cookie else { break };
        cookie = next;
    }
    assert_eq!(found, ["c", "a"]);
}
