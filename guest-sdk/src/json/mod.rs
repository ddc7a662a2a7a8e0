//! The declaration as JSON, written by the compiler: the content of the custom section `stagegate:plugin`.

mod asks;
mod jobs;
mod message;

use crate::context::{Mode, Stage};
use crate::declaration::{
    AttributeDeclaration, Declaration, ImageDeclaration, ImageType, StepDeclaration, same,
};

/// The number of bytes of the JSON text.
pub const fn len(declaration: &Declaration) -> usize {
    let mut out = Writer::<0>::new();
    out.declaration(declaration);
    out.len
}

/// The JSON text; `N` must be what [`len`] says.
pub const fn text<const N: usize>(declaration: &Declaration) -> [u8; N] {
    let mut out = Writer::<N>::new();
    out.declaration(declaration);
    out.bytes
}

/// Counts what it is given and keeps the first `N` bytes of it, so that a writer of none measures.
struct Writer<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

#[expect(
    clippy::indexing_slicing,
    reason = "every index is compared with the length; `get` is not const here"
)]
impl<const N: usize> Writer<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    const fn byte(&mut self, byte: u8) {
        if self.len < N {
            self.bytes[self.len] = byte;
        }
        self.len += 1;
    }

    const fn raw(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut index = 0;
        while index < bytes.len() {
            self.byte(bytes[index]);
            index += 1;
        }
    }

    /// A JSON string: the quote, the backslash and the control characters are escaped.
    const fn string(&mut self, text: &str) {
        const HEX: [u8; 16] = *b"0123456789abcdef";
        let bytes = text.as_bytes();
        self.byte(b'"');
        let mut index = 0;
        while index < bytes.len() {
            match bytes[index] {
                byte @ (b'"' | b'\\') => {
                    self.byte(b'\\');
                    self.byte(byte);
                }
                byte if byte < 0x20 => {
                    self.raw("\\u00");
                    self.byte(HEX[(byte >> 4) as usize]);
                    self.byte(HEX[(byte & 15) as usize]);
                }
                byte => self.byte(byte),
            }
            index += 1;
        }
        self.byte(b'"');
    }

    const fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None => self.raw("null"),
        }
    }

    const fn number(&mut self, number: i64) {
        if number < 0 {
            self.byte(b'-');
        }
        let magnitude = number.unsigned_abs();
        let mut unit = 1_u64;
        while magnitude / unit >= 10 {
            unit *= 10;
        }
        while unit > 0 {
            self.byte(b'0' + (magnitude / unit % 10) as u8);
            unit /= 10;
        }
    }

    const fn strings(&mut self, texts: &[&str]) {
        self.byte(b'[');
        let mut index = 0;
        while index < texts.len() {
            if index > 0 {
                self.byte(b',');
            }
            self.string(texts[index]);
            index += 1;
        }
        self.byte(b']');
    }

    const fn declaration(&mut self, declaration: &Declaration) {
        self.raw("{\"steps\":[");
        let mut index = 0;
        while index < declaration.steps.len() {
            if index > 0 {
                self.byte(b',');
            }
            self.step(&declaration.steps[index].declaration);
            index += 1;
        }
        self.raw("],\"entities\":[");
        self.entities(declaration);
        self.raw("],\"messages\":[");
        self.messages(declaration);
        self.raw("],\"properties\":{");
        let properties = declaration.properties();
        let mut index = 0;
        while index < properties.len() {
            if index > 0 {
                self.byte(b',');
            }
            self.string(properties[index].0);
            self.byte(b':');
            self.string(properties[index].1);
            index += 1;
        }
        self.byte(b'}');
        if !declaration.asks.is_nothing() {
            self.raw(",\"asks\":");
            self.asks(&declaration.asks);
        }
        self.byte(b'}');
    }

    const fn step(&mut self, step: &StepDeclaration) {
        self.raw("{\"name\":");
        self.string(step.name);
        self.raw(",\"message\":");
        self.string(step.message);
        self.raw(",\"entity\":");
        self.optional(step.entity);
        self.raw(",\"stage\":");
        self.string(match step.stage {
            Stage::PreValidation => "PreValidation",
            Stage::PreOperation => "PreOperation",
            Stage::MainOperation => "MainOperation",
            Stage::PostOperation => "PostOperation",
        });
        self.raw(",\"mode\":");
        self.string(match step.mode {
            Mode::Synchronous => "Synchronous",
            Mode::Asynchronous => "Asynchronous",
        });
        self.raw(",\"rank\":");
        self.number(step.rank as i64);
        self.raw(",\"filtering_attributes\":");
        self.strings(step.filtering_attributes);
        self.raw(",\"images\":[");
        let mut index = 0;
        while index < step.images.len() {
            if index > 0 {
                self.byte(b',');
            }
            self.image(&step.images[index]);
            index += 1;
        }
        self.raw("],\"configuration\":");
        self.optional(step.configuration);
        self.raw(",\"description\":");
        self.optional(step.description);
        if step.changed_only {
            self.raw(",\"changed_only\":true");
        }
        if !step.jobs.is_default() {
            self.raw(",\"jobs\":");
            self.jobs(step.jobs);
        }
        self.byte(b'}');
    }

    const fn image(&mut self, image: &ImageDeclaration) {
        self.raw("{\"alias\":");
        self.string(image.alias);
        self.raw(",\"type\":");
        self.string(match image.image_type {
            ImageType::PreImage => "PreImage",
            ImageType::PostImage => "PostImage",
            ImageType::Both => "Both",
        });
        self.raw(",\"attributes\":");
        self.strings(image.attributes);
        if let Some(relationship) = image.relationship {
            self.raw(",\"relationship\":");
            self.string(relationship);
        }
        self.byte(b'}');
    }

    /// Every entity once, where it is first declared, with the attributes of all of its declarations.
    const fn entities(&mut self, declaration: &Declaration) {
        let mut written = 0;
        let mut index = 0;
        while index < declaration.count() {
            if let Some(entity) = declaration.entity(index)
                && first_of(declaration, entity.logical_name) == index
            {
                if written > 0 {
                    self.byte(b',');
                }
                written += 1;
                self.raw("{\"logical_name\":");
                self.string(entity.logical_name);
                self.raw(",\"attributes\":[");
                self.attributes(declaration, index, entity.logical_name);
                self.raw("]}");
            }
            index += 1;
        }
    }

    const fn attributes(&mut self, declaration: &Declaration, first: usize, entity_name: &str) {
        let mut written = 0;
        let mut index = first;
        while index < declaration.count() {
            if let Some(entity) = declaration.entity(index)
                && same(entity.logical_name, entity_name)
            {
                let mut position = 0;
                while position < entity.attributes.len() {
                    let attribute = &entity.attributes[position];
                    if !declares(declaration, first, index, position, entity_name, attribute.name) {
                        if written > 0 {
                            self.byte(b',');
                        }
                        written += 1;
                        self.attribute(attribute);
                    }
                    position += 1;
                }
            }
            index += 1;
        }
    }

    const fn attribute(&mut self, attribute: &AttributeDeclaration) {
        self.raw("{\"name\":");
        self.string(attribute.name);
        self.raw(",\"type\":");
        self.string(attribute.attribute_type);
        self.raw(",\"targets\":");
        self.strings(attribute.targets);
        self.byte(b'}');
    }
}

/// Where an entity is first declared.
const fn first_of(declaration: &Declaration, entity_name: &str) -> usize {
    let mut index = 0;
    while index < declaration.count() {
        if let Some(entity) = declaration.entity(index)
            && same(entity.logical_name, entity_name)
        {
            return index;
        }
        index += 1;
    }
    index
}

/// Whether a declaration of the entity between `first` and (`last`, `position`) has the attribute.
#[expect(clippy::indexing_slicing, reason = "the index is below the length; `get` is not const here")]
const fn declares(
    declaration: &Declaration,
    first: usize,
    last: usize,
    position: usize,
    entity_name: &str,
    attribute_name: &str,
) -> bool {
    let mut index = first;
    while index <= last {
        if let Some(entity) = declaration.entity(index)
            && same(entity.logical_name, entity_name)
        {
            let end = if index == last { position } else { entity.attributes.len() };
            let mut at = 0;
            while at < end {
                if same(entity.attributes[at].name, attribute_name) {
                    return true;
                }
                at += 1;
            }
        }
        index += 1;
    }
    false
}
