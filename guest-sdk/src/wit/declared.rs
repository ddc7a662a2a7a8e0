//! A plugin's declaration in the contract's types.

use super::bindings::exports::stagegate::plugin::steps as exported;
use crate::context::{Mode, Stage};
use crate::declaration::{
    Asks, AttributeDeclaration, Binding, ImageType, JobOptions, MessageDeclaration, ParameterDeclaration,
    StepDeclaration,
};

pub(super) fn step_out(step: &StepDeclaration) -> exported::Step {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    exported::Step {
        name: step.name.to_owned(),
        message: step.message.to_owned(),
        entity: step.entity.map(str::to_owned),
        stage: match step.stage {
            Stage::PreValidation => exported::Stage::PreValidation,
            Stage::PreOperation => exported::Stage::PreOperation,
            Stage::MainOperation => exported::Stage::MainOperation,
            Stage::PostOperation => exported::Stage::PostOperation,
        },
        mode: match step.mode {
            Mode::Synchronous => exported::Mode::Synchronous,
            Mode::Asynchronous => exported::Mode::Asynchronous,
        },
        rank: step.rank,
        filtering_attributes: texts(step.filtering_attributes),
        images: step
            .images
            .iter()
            .map(|image| exported::Image {
                alias: image.alias.to_owned(),
                image_type: match image.image_type {
                    ImageType::PreImage => exported::ImageType::PreImage,
                    ImageType::PostImage => exported::ImageType::PostImage,
                    ImageType::Both => exported::ImageType::Both,
                },
                attributes: texts(image.attributes),
                relationship: image.relationship.map(str::to_owned),
            })
            .collect(),
        configuration: step.configuration.map(str::to_owned),
        description: step.description.map(str::to_owned),
        changed_only: step.changed_only,
        jobs: (!step.jobs.is_default()).then(|| jobs_out(step.jobs)),
    }
}

fn jobs_out(jobs: JobOptions) -> exported::JobOptions {
    let JobOptions { ordered, unique, priority, retries, auto_delete, background } = jobs;
    exported::JobOptions { ordered, unique, priority, retries, auto_delete, background }
}

pub(super) fn asks_out(asks: &Asks) -> exported::Asks {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    exported::Asks {
        http: asks
            .http
            .iter()
            .map(|rule| exported::HttpRule { methods: texts(rule.methods), origin: rule.origin.to_owned() })
            .collect(),
        environment: texts(asks.environment),
        secrets: texts(asks.secrets),
        configuration: texts(asks.configuration),
        random: asks.random,
        clocks: asks.clocks,
        memory: asks.memory,
        background: (asks.background > 0).then_some(asks.background),
    }
}

pub(super) fn attribute_out(attribute: &AttributeDeclaration) -> exported::AttributeDeclaration {
    exported::AttributeDeclaration {
        name: attribute.name.to_owned(),
        attribute_type: attribute.attribute_type.to_owned(),
        targets: attribute.targets.iter().map(|target| (*target).to_owned()).collect(),
    }
}

pub(super) fn message_out(message: &MessageDeclaration) -> exported::MessageDeclaration {
    exported::MessageDeclaration {
        name: message.name.to_owned(),
        binding: match message.binding {
            Binding::Global => exported::Binding::Global,
            Binding::Entity(entity) => exported::Binding::Entity(entity.to_owned()),
            Binding::EntityCollection(entity) => exported::Binding::EntityCollection(entity.to_owned()),
        },
        steps: message.steps.name().to_owned(),
        parameters: message.parameters.iter().map(parameter_out).collect(),
        properties: message.properties.iter().map(parameter_out).collect(),
        description: message.description.map(str::to_owned),
    }
}

fn parameter_out(parameter: &ParameterDeclaration) -> exported::ParameterDeclaration {
    exported::ParameterDeclaration {
        name: parameter.name.to_owned(),
        parameter_type: parameter.parameter_type.to_owned(),
        optional: parameter.optional,
        entity: parameter.entity.map(str::to_owned),
    }
}
