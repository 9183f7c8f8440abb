//! Families of the `prometheus` crate, built directly from values and encoded by the crate: no vector of gauges to keep in
//! step.

use std::fmt;

use prometheus::{
    Encoder, TextEncoder,
    core::Desc,
    proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType},
};

/// How many samples are encoded at once, more or less: enough that the comment lines do not matter, and few enough that
/// the samples take little memory.
const BLOCK: usize = 64;

/// What a family is, apart from its samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricType,
}

impl Spec {
    pub(super) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: MetricType::GAUGE }
    }

    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: MetricType::COUNTER }
    }

    /// The descriptor that names and labels are checked by.
    pub(super) fn desc(&self, labels: Vec<String>) -> prometheus::Result<Desc> {
        Desc::new(self.name.into(), self.help.into(), labels, std::collections::HashMap::new())
    }

    /// A family with these samples.
    pub(super) fn family(&self, samples: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.into());
        family.set_help(self.help.into());
        family.set_field_type(self.kind);
        family.set_metric(samples);
        family
    }

    /// Gives a sample its value.
    pub(super) fn set(&self, sample: &mut Metric, value: f64) {
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            sample.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            sample.set_gauge(gauge);
        }
    }
}

/// Takes one sample: the values of the metric's own labels, in their order, and its value.
pub(super) type Emit<'a> = dyn FnMut(&[&str], f64) + 'a;

/// Gives the samples of one thing.
type Samples<T> = Box<dyn Fn(&T, &mut Emit<'_>) + Send>;

/// One metric of every `T`. Its samples are written over for the next few things: most of their labels stay as they are.
pub(super) struct Family<T> {
    spec: Spec,
    labels: Vec<String>,
    samples: Samples<T>,
    present: MetricFamily,
    encoded: Vec<u8>,
}

impl<T> Family<T> {
    /// A metric with these labels, those that all metrics of a `T` have first. Fails where one cannot be a label, or is
    /// there twice.
    pub(super) fn new(
        spec: Spec,
        labels: Vec<String>,
        samples: impl Fn(&T, &mut Emit<'_>) + Send + 'static,
    ) -> prometheus::Result<Self> {
        spec.desc(labels.clone())?;
        let present = spec.family(Vec::new());
        Ok(Self { spec, labels, samples: Box::new(samples), present, encoded: Vec::new() })
    }

    pub(super) fn name(&self) -> &'static str {
        self.spec.name
    }

    /// The samples of these things as text; `identity` gives the values of a thing's first labels.
    pub(super) fn text<'a, const N: usize>(
        &mut self,
        things: impl Iterator<Item = ([&'a str; N], &'a T)>,
    ) -> prometheus::Result<Vec<u8>>
    where
        T: 'a,
    {
        let mut text = Vec::new();
        let mut count = 0;
        for (identity, thing) in things {
            let Self { spec, labels, samples, present, .. } = self;
            samples(thing, &mut |own, value| {
                let present = present.mut_metric();
                if count == present.len() {
                    present.push(blank(labels));
                }
                let sample = &mut present[count];
                name(sample, identity.iter().chain(own));
                spec.set(sample, value);
                count += 1;
            });
            if count >= BLOCK {
                self.encode(std::mem::take(&mut count), &mut text)?;
            }
        }
        self.encode(count, &mut text)?;
        Ok(text)
    }

    /// Appends the first so many samples to a text.
    fn encode(&mut self, count: usize, text: &mut Vec<u8>) -> prometheus::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let spare = self.present.mut_metric().split_off(count);
        self.encoded.clear();
        TextEncoder::new().encode(std::slice::from_ref(&self.present), &mut self.encoded)?;
        self.present.mut_metric().extend(spare);
        text.extend_from_slice(&self.encoded[end_of_comments(&self.encoded)..]);
        Ok(())
    }

    /// The lines that introduce the family.
    pub(super) fn comments(&self) -> prometheus::Result<Vec<u8>> {
        let family = self.spec.family(vec![Metric::default()]);
        let mut text = Vec::new();
        TextEncoder::new().encode(&[family], &mut text)?;
        text.truncate(end_of_comments(&text));
        Ok(text)
    }
}

impl<T> fmt::Debug for Family<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// A sample whose labels have no values yet.
fn blank(labels: &[String]) -> Metric {
    let label = |name: &String| {
        let mut pair = LabelPair::default();
        pair.set_name(name.clone());
        pair
    };
    Metric::from_label(labels.iter().map(label).collect())
}

/// Gives the labels of a sample their values.
fn name<'a>(sample: &mut Metric, values: impl Iterator<Item = &'a &'a str>) {
    for (label, value) in sample.mut_label().iter_mut().zip(values) {
        if label.value() != *value {
            label.set_value((*value).to_owned());
        }
    }
}

/// Where the lines `# HELP` and `# TYPE` end.
pub(super) fn end_of_comments(text: &[u8]) -> usize {
    let mut lines = text.split_inclusive(|&byte| byte == b'\n');
    lines.by_ref().take_while(|line| line.starts_with(b"#")).map(<[u8]>::len).sum()
}

/// Unix seconds with milliseconds.
pub(super) fn seconds(time: jiff::Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}
