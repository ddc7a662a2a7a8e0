//! Associate and Disassociate, owners, states.

use stagegate::model::code;
use stagegate::{
    AttributeType, Definitions, Entity, EntityDefinition, EntityReference, ErrorKind, ImageType, Query,
    RelationshipDefinition, Request, Stage, StepDefinition, Value,
};
use stagegate_tests::{Log, World, tells};
use uuid::Uuid;

fn definitions() -> Definitions {
    let team = AttributeType::Lookup { targets: vec!["team".into()] };
    Definitions {
        entities: vec![
            EntityDefinition::new("team"),
            EntityDefinition::new("player")
                .with("team", team)
                .with_state(0, "active", [(1, "fit"), (2, "hurt")])
                .with_state(1, "inactive", [(3, "retired")])
                .with_transitions(2, [1, 3])
                .user_owned(),
            EntityDefinition::new("plain"),
        ],
        relationships: vec![
            RelationshipDefinition::one_to_many("team_players", "team", "player", "team"),
            RelationshipDefinition::many_to_many("player_fans", "player", "plain"),
            RelationshipDefinition::many_to_many("friends", "player", "player"),
        ],
        messages: vec![],
    }
}

async fn player(world: &World) -> EntityReference {
    world.add(Entity::new("player")).await
}

async fn count(world: &World, entity: &str) -> usize {
    world.run(Request::retrieve_multiple(Query::new(entity))).await.entities().len()
}

#[tokio::test]
async fn a_many_to_many_relation_is_made_once_from_either_side_and_taken_away() {
    let world = World::with(definitions(), |host| host).await;
    let (one, two) = (player(&world).await, player(&world).await);
    let fan = world.add(Entity::new("plain")).await;
    world.run(Request::associate(fan.clone(), "player_fans", vec![one.clone(), two.clone()])).await;
    assert_eq!(count(&world, "player_fans").await, 2);
    let again = Request::associate(one.clone(), "player_fans", vec![fan.clone()]);
    let error = world.host.execute(again).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Duplicate);
    assert!(error.message().contains("are related by `player_fans` already"), "{error}");
    world.run(Request::disassociate(one.clone(), "player_fans", vec![fan.clone()])).await;
    assert_eq!(count(&world, "player_fans").await, 1);
    // What is not related is no longer related.
    world.run(Request::disassociate(one.clone(), "player_fans", vec![fan])).await;
    world.run(Request::associate(one.clone(), "friends", vec![two.clone()])).await;
    world.run(Request::disassociate(one, "friends", vec![two])).await;
    assert_eq!(count(&world, "friends").await, 0);
}

#[tokio::test]
async fn a_one_to_many_relation_is_an_update_of_the_child() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        let team = cx.target()?.and_then(|target| target.get("team").cloned());
        Ok(format!("{} {}", cx.message()?, team.is_some_and(|team| !team.is_null())))
    });
    let world = World::with(definitions(), |host| {
        let update =
            StepDefinition::new("update", "Update", Stage::PreOperation).on("player").filter(["team"]);
        host.native_step("p", update, sees).native_step(
            "p",
            StepDefinition::new("associate", "Associate", Stage::PreOperation),
            log.step("Associate"),
        )
    })
    .await;
    let team = world.add(Entity::new("team")).await;
    let (one, two) = (player(&world).await, player(&world).await);
    world.run(Request::associate(team.clone(), "team_players", vec![one.clone()])).await;
    world.run(Request::associate(two.clone(), "team_players", vec![team.clone()])).await;
    for player in [&one, &two] {
        let expected = Value::EntityReference(team.clone());
        assert_eq!(world.get(player).await.unwrap().get("team"), Some(&expected));
    }
    world.run(Request::disassociate(team, "team_players", vec![one.clone()])).await;
    assert_eq!(world.get(&one).await.unwrap().get("team"), Some(&Value::Null));
    assert_eq!(log.all(), ["Associate", "Update true", "Associate", "Update true", "Update false"]);
}

#[tokio::test]
async fn relations_that_make_no_sense_are_refused() {
    let world = World::with(definitions(), |host| host).await;
    let one = player(&world).await;
    let plain = world.add(Entity::new("plain")).await;
    let missing = EntityReference::new("plain", Uuid::from_u128(404));
    let associate = |relationship: &str, related: Vec<EntityReference>| {
        Request::associate(one.clone(), relationship, related)
    };
    let cases = [
        (
            associate("player_fan", vec![plain.clone()]),
            ErrorKind::InvalidRequest,
            "did you mean `player_fans`",
        ),
        (
            associate("team_players", vec![plain.clone()]),
            ErrorKind::InvalidRequest,
            "relates `team` and `player`",
        ),
        (
            associate("friends", vec![plain.clone()]),
            ErrorKind::InvalidRequest,
            "relates `player` and `player`",
        ),
        (associate("player_fans", vec![]), ErrorKind::InvalidRequest, "at least one entity reference"),
        (associate("player_fans", vec![missing]), ErrorKind::NotFound, "cannot associate plain"),
        (
            Request::create(Entity::new("player_fans")),
            ErrorKind::InvalidRequest,
            "use Associate and Disassociate",
        ),
        (Request::assign(plain, one.clone()), ErrorKind::InvalidRequest, "have no owner"),
        (
            Request::assign(one.clone(), one.clone()),
            ErrorKind::InvalidRequest,
            "it can point to systemuser, team",
        ),
    ];
    for (request, kind, expected) in cases {
        let error = world.host.execute(request).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(expected), "{error} does not say: {expected}");
    }
    assert_eq!(count(&world, "player_fans").await, 0);
}

#[tokio::test]
async fn the_secondary_entity_is_the_other_side() {
    let log = Log::default();
    let sees = tells(&log, |cx| Ok(format!("{:?}", cx.secondary_entity()?)));
    let world = World::with(definitions(), |host| {
        host.native_step("p", StepDefinition::new("a", "Associate", Stage::PostOperation), sees)
    })
    .await;
    let (one, fan) = (player(&world).await, world.add(Entity::new("plain")).await);
    world.run(Request::associate(one, "player_fans", vec![fan])).await;
    assert_eq!(log.all(), ["Some(\"plain\")"]);
}

#[tokio::test]
async fn a_record_belongs_to_whoever_creates_it_and_says_who_wrote_it() {
    let world = World::with(definitions(), |host| host).await;
    let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let user = |id| Some(Value::EntityReference(EntityReference::new("systemuser", id)));
    let id = world.run(Request::create(Entity::new("player")).as_user(ada)).await.id().unwrap();
    let reference = EntityReference::new("player", id);
    let update = Entity::new("player").with_id(id).with("statuscode", Value::Choice(2));
    world.run(Request::update(update).as_user(bob)).await;
    let record = world.get(&reference).await.unwrap();
    assert_eq!(record.get("ownerid").cloned(), user(ada));
    assert_eq!(record.get("createdby").cloned(), user(ada));
    assert_eq!(record.get("modifiedby").cloned(), user(bob));
}

#[tokio::test]
async fn set_state_runs_as_an_update_and_keeps_the_pairs_together() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        let before = cx.pre_image("before")?.and_then(|image| image.get("statecode").cloned());
        Ok(format!("{} from {before:?}", cx.message()?))
    });
    let world = World::with(definitions(), |host| {
        let step = |message: &str| {
            StepDefinition::new(message, message, Stage::PostOperation).on("player").image(
                "before",
                ImageType::PreImage,
                ["statecode"],
            )
        };
        host.native_step("p", step("SetState"), sees.clone()).native_step("p", step("Update"), sees.clone())
    })
    .await;
    let one = player(&world).await;
    let state = async || {
        let record = world.get(&one).await.unwrap();
        (record.get("statecode").cloned(), record.get("statuscode").cloned())
    };
    let pair = |state, status| (Some(Value::Choice(state)), Some(Value::Choice(status)));
    assert_eq!(state().await, pair(0, 1), "the first state and its first status");
    world.run(Request::set_state(one.clone(), 1, None)).await;
    assert_eq!(state().await, pair(1, 3));
    assert_eq!(log.all(), ["Update from Some(Choice(0))", "SetState from Some(Choice(0))"]);
    world.run(Request::set_state(one.clone(), 0, Some(2))).await;
    assert_eq!(state().await, pair(0, 2));
    for (state_code, status) in [(1, Some(1)), (0, Some(3)), (7, None), (0, Some(9))] {
        let error =
            world.host.execute(Request::set_state(one.clone(), state_code, status)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{state_code} {status:?}: {error}");
    }
    assert_eq!(state().await, pair(0, 2));
    let plain = world.add(Entity::new("plain")).await;
    let error = world.host.execute(Request::set_state(plain, 1, None)).await.unwrap_err();
    assert_eq!(error.code(), code::INVALID_ARGUMENT);
    assert!(error.message().contains("have no state"), "{error}");
}
