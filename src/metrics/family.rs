//! Metrics of rows. Here everything that has metrics is a row: a tunnel, a target or an account. Each has the metric families
//! of its kind.
//!
//! A kind of row implements [`MetricRow`] with a list of [`Family`]. The registry and the exposition are built from that list.

use std::sync::Arc;

use prometheus::{
    Encoder, TextEncoder,
    core::Desc,
    proto::{LabelPair, Metric, MetricFamily},
};

use crate::{
    domain::{status::Status, tag_label::TagLabel},
    snapshot::Snapshot,
    telemetry::declaration::Declaration,
};

/// A kind of row.
pub(super) trait MetricRow: Sized + Send + Sync + 'static {
    /// The target or account of a row.
    type Owner: Ord;
    /// The labels that identify a row. Every metric of the row has them.
    const LABELS: &'static [&'static str];
    /// The metrics of each row.
    const FAMILIES: &'static [Family<Self>];

    /// The rows of a snapshot, in a fixed order.
    fn rows(snapshot: &Snapshot) -> impl Iterator<Item = (&Self::Owner, &Arc<Self>)>;

    /// The values of [`LABELS`](Self::LABELS).
    fn label_values<'a>(&'a self, owner: &'a Self::Owner) -> impl Iterator<Item = &'a str>;
}

/// One metric of every row of a kind.
#[derive(Debug)]
pub(super) struct Family<T> {
    pub(super) declaration: Declaration,
    /// Whether the configured tags are labels, too.
    has_tags: bool,
    samples: fn(&T, &mut Samples<'_>),
}

impl<T: MetricRow> Family<T> {
    /// A gauge with these labels of its own.
    pub(super) const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
        samples: fn(&T, &mut Samples<'_>),
    ) -> Self {
        Self { declaration: Declaration::gauge(name, labels, help), has_tags: false, samples }
    }

    /// A counter with these labels of its own.
    pub(super) const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
        samples: fn(&T, &mut Samples<'_>),
    ) -> Self {
        Self { declaration: Declaration::counter(name, labels, help), has_tags: false, samples }
    }

    /// A gauge with the configured tags as further labels. It must use [`Samples::add_tagged`].
    pub(super) const fn tagged_gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
        samples: fn(&T, &mut Samples<'_>),
    ) -> Self {
        Self { declaration: Declaration::gauge(name, labels, help), has_tags: true, samples }
    }

    /// The descriptor. Fails where a tag's label is invalid, or occurs twice.
    pub(super) fn desc(&self, tag_labels: &[TagLabel]) -> prometheus::Result<Desc> {
        self.declaration.desc(self.labels(tag_labels))
    }

    fn labels(&self, tag_labels: &[TagLabel]) -> Vec<String> {
        let own = T::LABELS.iter().chain(self.declaration.labels).map(|&label| label.to_owned());
        let tags = tag_labels.iter().filter(|_| self.has_tags).map(|tag| tag.label.clone());
        own.chain(tags).collect()
    }
}

/// Collects the samples of one row for one family.
pub(super) struct Samples<'a> {
    tag_labels: &'a [TagLabel],
    add: &'a mut dyn FnMut(&[&str], f64),
}

impl Samples<'_> {
    /// Adds a sample with these values of the family's own labels.
    pub(super) fn add(&mut self, labels: &[&str], value: f64) {
        (self.add)(labels, value);
    }

    /// Adds a sample without labels of its own, if there is a value.
    pub(super) fn add_some(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.add(&[], value);
        }
    }

    /// Adds one sample for each possible value of a status: 1 for the present one, 0 for the others.
    pub(super) fn add_each<S: Status>(&mut self, present: S) {
        for &value in S::ALL {
            self.add(&[value.as_str()], flag(value == present));
        }
    }

    /// Adds a sample of a [tagged](Family::tagged_gauge) family.
    pub(super) fn add_tagged(&mut self, labels: &[&str], tags: &[(Box<str>, Box<str>)], value: f64) {
        let tag = |label: &TagLabel| tags.iter().find(|(key, _)| **key == *label.key);
        let values = self.tag_labels.iter().map(|label| tag(label).map_or("", |(_, value)| value));
        let labels: Vec<&str> = labels.iter().copied().chain(values).collect();
        self.add(&labels, value);
    }
}

/// A reusable buffer for the samples of one family. Samples are reused after encoding, because most labels stay the same from
/// row to row, and allocating them costs more than encoding them.
#[derive(Debug)]
pub(super) struct Buffer<T: 'static> {
    family: &'static Family<T>,
    labels: Vec<String>,
    tag_labels: Arc<[TagLabel]>,
    samples: Vec<Metric>,
    /// How many of the samples are in use.
    used: usize,
}

impl<T: MetricRow> Buffer<T> {
    pub(super) fn new(family: &'static Family<T>, tag_labels: &Arc<[TagLabel]>) -> Self {
        Self {
            family,
            labels: family.labels(tag_labels),
            tag_labels: Arc::clone(tag_labels),
            samples: Vec::new(),
            used: 0,
        }
    }

    /// Adds the samples of a row. The family's `samples` function adds each of them through [`Samples`].
    pub(super) fn add(&mut self, owner: &T::Owner, row: &T) {
        let Self { family, labels, tag_labels, samples, used } = self;
        let mut add = |own: &[&str], value: f64| {
            if *used == samples.len() {
                samples.push(blank(labels));
            }
            let sample = &mut samples[*used];
            set_labels(sample, row.label_values(owner).chain(own.iter().copied()));
            family.declaration.set_value(sample, value);
            *used += 1;
        };
        (family.samples)(row, &mut Samples { tag_labels, add: &mut add });
    }

    /// How many samples there are.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// The family with its samples.
    pub(super) fn into_family(mut self) -> MetricFamily {
        self.samples.truncate(self.used);
        self.family.declaration.family(self.samples)
    }

    /// Appends the samples to a text, without the comment lines, and empties the buffer.
    pub(super) fn encode(&mut self, text: &mut Vec<u8>) -> prometheus::Result<()> {
        if self.used == 0 {
            return Ok(());
        }
        let spare = self.samples.split_off(self.used);
        let mut family = self.family.declaration.family(std::mem::take(&mut self.samples));
        let mut encoded = Vec::new();
        TextEncoder::new().encode(std::slice::from_ref(&family), &mut encoded)?;
        text.extend_from_slice(&encoded[end_of_comments(&encoded)..]);
        self.samples = family.take_metric();
        self.samples.extend(spare);
        self.used = 0;
        Ok(())
    }

    /// The comment lines before the family's samples.
    pub(super) fn comments(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&[self.family.declaration.family(vec![Metric::default()])], &mut text)?;
        text.truncate(end_of_comments(&text));
        Ok(text)
    }
}

/// A sample with labels that have no values yet.
fn blank(labels: &[String]) -> Metric {
    let label = |name: &String| {
        let mut pair = LabelPair::default();
        pair.set_name(name.clone());
        pair
    };
    Metric::from_label(labels.iter().map(label).collect())
}

/// Sets the values of a sample's labels.
fn set_labels<'a>(sample: &mut Metric, values: impl Iterator<Item = &'a str>) {
    for (label, value) in sample.mut_label().iter_mut().zip(values) {
        if label.value() != value {
            label.set_value(value.to_owned());
        }
    }
}

/// Where the lines `# HELP` and `# TYPE` end.
fn end_of_comments(text: &[u8]) -> usize {
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    lines.take_while(|line| line.starts_with(b"#")).map(<[u8]>::len).sum()
}

/// Unix seconds with milliseconds.
pub(super) fn seconds(time: jiff::Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}

/// 1 for true, 0 for false.
pub(super) fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}
