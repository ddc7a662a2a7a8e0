//! Hosts with manifests and with a registration in their database.

use std::path::Path;

use stagegate::model::registration::{Diff, Manifest};
use stagegate::{
    ColumnSet, EntityReference, ErrorKind, Host, HostBuilder, NativeStep, PlannedStep, Request, Stage,
    StepDefinition,
};
use stagegate_tests::{CREDIT_GUARD, GUEST_CONFIGURED, entity, load, probe, text};

async fn builder(folder: &Path, manifest: &str) -> HostBuilder {
    Host::builder()
        .sqlite(folder.join("test.db"))
        .workers(0)
        .plugin(load(CREDIT_GUARD).await)
        .manifest(Manifest::parse("operator.toml", manifest).unwrap())
}

/// The steps that a host registers, in the order of registration.
async fn planned(builder: HostBuilder) -> (Vec<PlannedStep>, Vec<String>) {
    let host = builder.build().await.unwrap();
    let mut plan = host.plan();
    plan.sort_by_key(|step| step.sequence);
    let drift = lines(&host.drift());
    host.shutdown().await;
    (plan, drift)
}

fn lines(diff: &Diff) -> Vec<String> {
    diff.steps.iter().map(ToString::to_string).collect()
}

const RANK: &str = "[[step]]\nname = 'approve_rise'\nrank = 5\nsecure_configuration = 'hunter2'";

#[tokio::test]
async fn a_manifest_changes_what_is_declared() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, drift) = planned(builder(folder.path(), RANK).await).await;
    let [approve, follow] = plan.as_slice() else { panic!("{plan:?}") };
    assert_eq!(approve.definition.rank, 5);
    assert_eq!(approve.overrides[0].to_string(), "rank 1 -> 5 (operator.toml)");
    assert!(approve.has_secure_configuration && !follow.has_secure_configuration);
    assert_eq!(follow.overrides, []);
    assert_eq!(drift, [""; 0]);
    assert!(!format!("{plan:?}").contains("hunter2"));
}

#[tokio::test]
async fn what_was_applied_is_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    let diff = builder(folder.path(), RANK).await.diff().await.unwrap();
    let added = [
        "+ credit-guard/approve_rise: on Update of account at PreOperation, rank 5, with a secure configuration",
        "+ credit-guard/follow_up: on Update of account at PostOperation, asynchronous, rank 1",
    ];
    assert_eq!(lines(&diff), added);
    // On another thread: the future can be sent there.
    let apply = builder(folder.path(), RANK).await;
    let applied = tokio::spawn(apply.apply(false)).await.unwrap().unwrap();
    assert_eq!(applied, diff);
    assert_eq!(lines(&builder(folder.path(), RANK).await.diff().await.unwrap()), [""; 0]);

    // The manifest is gone, its registration is not; and the service's own steps come after it.
    let native = StepDefinition::new("native", "Create", Stage::PreOperation);
    let host = Host::builder()
        .sqlite(folder.path().join("test.db"))
        .workers(0)
        .native_step("service", native, NativeStep::new(|_| async { Ok(()) }))
        .plugin(load(CREDIT_GUARD).await);
    let (plan, drift) = planned(host).await;
    let shown: Vec<String> =
        plan.iter().map(|step| format!("{} {}", step.key.step, step.definition.rank)).collect();
    assert_eq!(shown, ["approve_rise 5", "follow_up 1", "native 1"]);
    assert_eq!(plan[0].overrides[0].to_string(), "rank 1 -> 5 (the database)");
    assert!(plan[0].has_secure_configuration);
    assert_eq!(drift, ["~ credit-guard/approve_rise: rank 5 -> 1"]);
}

#[tokio::test]
async fn a_registration_that_breaks_a_rule_is_not_applied() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = "[[step]]\nname = 'approve_rise'\nmode = 'Asynchronous'";
    let error = builder(folder.path(), manifest).await.apply(false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRegistration);
    assert!(error.message().contains("`approve_rise` of plugin `credit-guard`"), "{error}");
    let (plan, drift) = planned(builder(folder.path(), "").await).await;
    assert_eq!((plan.len(), drift.len()), (2, 0), "nothing is stored, so what is declared runs");
}

#[tokio::test]
async fn a_manifest_for_nobody_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = builder(folder.path(), "plugin = 'credit-gard'").await.build().await.err().unwrap();
    assert!(error.message().contains("did you mean `credit-guard`?"), "{error}");
    assert!(!folder.path().join("test.db").exists(), "nothing was made");
}

#[tokio::test]
async fn a_host_that_cannot_be_built_leaves_the_database_free() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = "[[step]]\nname = 'approve_rise'\nmode = 'Asynchronous'";
    for _ in 0..3 {
        let error = builder(folder.path(), manifest).await.build().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidRegistration);
    }
    assert_eq!(planned(builder(folder.path(), "").await).await.0.len(), 2);
}

#[tokio::test]
async fn a_host_warns_of_its_own_steps() {
    let folder = tempfile::tempdir().unwrap();
    let host = builder(folder.path(), "").await.build().await.unwrap();
    host.define(vec![entity("account")]).await.unwrap();
    let lints: Vec<String> = host.lints().iter().map(|lint| lint.rule.name().to_owned()).collect();
    assert_eq!(lints, ["undefined-attribute"; 3], "{:?}", host.lints());
    host.shutdown().await;
}

/// What the guest `configured` is told by a host with these manifests.
async fn told(folder: &Path, manifests: &[&str]) -> String {
    let builder = configured(folder, manifests).await;
    let host = builder.build().await.unwrap();
    host.define(vec![entity("probe")]).await.unwrap();
    let id = host.execute(Request::create(probe("a"))).await.unwrap().id().unwrap();
    let read = Request::retrieve(EntityReference::new("probe", id), ColumnSet::All);
    let told = text(host.execute(read).await.unwrap().entity().unwrap(), "note");
    host.shutdown().await;
    told
}

async fn configured(folder: &Path, manifests: &[&str]) -> HostBuilder {
    let builder = Host::builder().sqlite(folder.join("test.db")).plugin(load(GUEST_CONFIGURED).await);
    manifests.iter().fold(builder, |builder, text| builder.manifest(Manifest::parse("m.toml", text).unwrap()))
}

#[tokio::test]
async fn a_step_gets_the_configurations_that_count() {
    let folder = tempfile::tempdir().unwrap();
    let step = |keys: &str| format!("[[step]]\nname = 'tell'\n{keys}");
    let both = step("configuration = 'open'\nsecure_configuration = 'hunter2'");
    assert_eq!(told(folder.path(), &[]).await, " / ");
    assert_eq!(told(folder.path(), &[&both]).await, "open / hunter2");
    assert_eq!(told(folder.path(), &[&both, &step("secure_configuration = ''")]).await, "open / ");

    configured(folder.path(), &[&both]).await.apply(false).await.unwrap();
    assert_eq!(told(folder.path(), &[]).await, "open / hunter2");
    configured(folder.path(), &[&step("secure_configuration = 'other'")]).await.apply(false).await.unwrap();
    assert_eq!(told(folder.path(), &[&both]).await, " / other", "what is stored counts");
}
