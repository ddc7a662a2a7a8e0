//! What plugins declare, changed by manifests.

use super::diff::field_changes;
use super::{Explained, FieldChange, Manifest, Origin, Override, StepRegistration};
use crate::model::StepDefinition;
use crate::model::definition::nearest;
use crate::model::error::Result;
use crate::model::step::Declaration;

/// What plugins declare, as manifests change it, in the order of registration. Each manifest changes what those before
/// it left. Fails with [`ErrorKind::InvalidRegistration`](crate::model::ErrorKind::InvalidRegistration) if a manifest
/// names a plugin or a step that there is not.
pub fn describe(plugins: &[(&str, &Declaration)], manifests: &[Manifest]) -> Result<Vec<Explained>> {
    let declared = |(plugin, declaration): &(&str, &Declaration)| {
        let steps = declaration.steps.iter();
        steps.map(|definition| as_declared(plugin, definition)).collect::<Vec<_>>()
    };
    let mut described: Vec<Explained> = plugins.iter().flat_map(declared).collect();
    let names: Vec<&str> = plugins.iter().map(|(name, _)| *name).collect();
    for manifest in manifests {
        let plugin = subject(manifest, &names)?;
        let of_plugin = described.iter_mut().filter(|step| step.registration.plugin == plugin);
        let mut of_plugin: Vec<&mut Explained> = of_plugin.collect();
        check_names(manifest, plugin, &of_plugin)?;
        of_plugin.iter_mut().for_each(|step| override_step(manifest, step));
    }
    Ok(described)
}

fn as_declared(plugin: &str, definition: &StepDefinition) -> Explained {
    Explained {
        registration: StepRegistration {
            plugin: plugin.to_owned(),
            definition: definition.clone(),
            secure_configuration: None,
        },
        declared: definition.clone(),
        overrides: Vec::new(),
    }
}

/// The plugin that a manifest is about.
pub(super) fn subject<'a>(manifest: &Manifest, plugins: &[&'a str]) -> Result<&'a str> {
    match (&manifest.plugin, plugins) {
        (None, [only]) => Ok(only),
        (None, _) => {
            let known = plugins.join(", ");
            let problem = format!("does not say which plugin it is about; add `plugin` with one of {known}");
            Err(manifest.refused(0, &problem))
        }
        (Some(named), _) => plugins.iter().find(|name| *name == named).copied().ok_or_else(|| {
            let known = nearest(named, plugins.iter().copied());
            manifest.refused(0, &format!("is about the plugin `{named}`, which is not loaded{known}"))
        }),
    }
}

fn check_names(manifest: &Manifest, plugin: &str, steps: &[&mut Explained]) -> Result<()> {
    let names = || steps.iter().map(|step| step.declared.name.as_str());
    let unknown = manifest.steps.iter().find(|step| !names().any(|name| name == step.name));
    unknown.map_or(Ok(()), |step| {
        let known = nearest(&step.name, names());
        let problem =
            format!("names the step `{}`, which the plugin `{plugin}` does not have{known}", step.name);
        Err(manifest.refused(step.line, &problem))
    })
}

fn override_step(manifest: &Manifest, step: &mut Explained) {
    let Explained { registration, declared, overrides } = step;
    let before = registration.definition.clone();
    if let Some(enabled) = manifest.enabled {
        registration.definition.enabled = enabled;
    }
    if let Some(own) = manifest.steps.iter().find(|own| own.name == declared.name) {
        own.apply(&mut registration.definition);
        if let Some(secret) = &own.secure_configuration {
            registration.secure_configuration = Some(secret.clone());
        }
    }
    for change in field_changes(&before, &registration.definition) {
        note(overrides, change, &manifest.source);
    }
}

/// Adds a change to those of earlier manifests. What is declared stays what it was, and a value that is back at it is
/// no override.
fn note(overrides: &mut Vec<Override>, change: FieldChange, source: &str) {
    let FieldChange { field, from, to } = change;
    let earlier = overrides.iter().position(|earlier| earlier.field == field);
    let declared = earlier.map_or(from, |index| overrides.remove(index).declared);
    if declared != to {
        let origin = Origin::Manifest(source.to_owned());
        overrides.push(Override { field, declared, value: to, origin });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stage;

    fn declaration() -> Declaration {
        let approve = StepDefinition::new("approve_rise", "Update", Stage::PreOperation)
            .on("account")
            .filter(["creditlimit"]);
        let follow =
            StepDefinition::new("follow_up", "Update", Stage::PostOperation).on("account").asynchronous();
        Declaration { steps: vec![approve, follow], ..Declaration::default() }
    }

    fn described(manifests: &[&str]) -> Result<Vec<Explained>> {
        let declaration = declaration();
        let manifests: Vec<Manifest> = manifests
            .iter()
            .enumerate()
            .map(|(index, text)| Manifest::parse(format!("{index}.toml"), text).unwrap())
            .collect();
        describe(&[("guard", &declaration), ("other", &Declaration::default())], &manifests)
    }

    #[track_caller]
    fn check(manifests: &[&str], expected: &[&str]) {
        let shown: Vec<String> = described(manifests)
            .unwrap()
            .into_iter()
            .flat_map(|step| {
                let name = step.declared.name;
                step.overrides.into_iter().map(move |Override { field, declared, value, origin }| {
                    format!("{name} {field}: {declared} -> {value} ({origin})")
                })
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_later_manifest_changes_what_an_earlier_one_left() {
        check(&[], &[]);
        check(
            &["plugin = 'guard'\n[[step]]\nname = 'approve_rise'\nrank = 5\nchanged_only = true"],
            &["approve_rise rank: 1 -> 5 (0.toml)", "approve_rise changed_only: false -> true (0.toml)"],
        );
        let rank = |rank: i32| format!("plugin = 'guard'\n[[step]]\nname = 'approve_rise'\nrank = {rank}");
        check(&[&rank(5), &rank(7)], &["approve_rise rank: 1 -> 7 (1.toml)"]);
        check(&[&rank(5), &rank(5)], &["approve_rise rank: 1 -> 5 (0.toml)"]);
        check(&[&rank(5), &rank(1)], &[]);
    }

    #[test]
    fn a_plugin_is_switched_off_but_for_the_steps_that_say_otherwise() {
        check(
            &["plugin = 'guard'\nenabled = false\n[[step]]\nname = 'follow_up'\nenabled = true"],
            &["approve_rise enabled: true -> false (0.toml)"],
        );
    }

    #[test]
    fn unknown_names_are_refused_with_those_that_there_are() {
        let check = |manifest: &str, expected: &str| {
            let error = described(&[manifest]).unwrap_err();
            assert_eq!(error.message(), expected);
        };
        check(
            "plugin = 'gard'",
            "0.toml: the manifest is about the plugin `gard`, which is not loaded; did you mean `guard`?",
        );
        check(
            "",
            "0.toml: the manifest does not say which plugin it is about; add `plugin` with one of guard, other",
        );
        check(
            "plugin = 'guard'\n\n[[step]]\nname = 'x'",
            "0.toml:3: the manifest names the step `x`, which the plugin `guard` does not have; there are \
             approve_rise, follow_up",
        );
    }
}
