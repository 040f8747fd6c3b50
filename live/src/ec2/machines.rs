//! The cluster's machines and what spot machines cost, into a recording.

use std::str::FromStr;
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use aws_sdk_ec2::types::{Filter, Instance as Ec2Instance, InstanceType, SpotPrice};
use sim::{SortedMap, SortedSet};

use super::{Error, error};
use crate::recording::{Instance, Instances, Price, Prices};

/// Spot prices change a few times a day.
const PRICES: Duration = Duration::from_secs(300);
/// What runs Linux, as the price history calls it; in a VPC or not.
const LINUX: [&str; 2] = ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"];

/// A tag that the cluster's machines carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The key: `kubernetes.io/cluster/NAME`.
    pub key: String,
    /// The value: `owned`.
    pub value: String,
}

impl FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Tag {
                key: key.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err("expected KEY=VALUE, such as kubernetes.io/cluster/prod=owned".to_owned()),
        }
    }
}

/// What EC2 said, or why it said nothing. Who may ask for machines may not ask for prices: one can fail alone.
#[derive(Debug)]
pub enum Heard {
    /// The machines that there are.
    Machines(Result<Instances, Error>),
    /// Spot prices that are new; perhaps none.
    Prices(Result<Prices, Error>),
}

/// Asks for the machines with a tag, every `period`, and for spot prices every few minutes. `hear` gets every answer.
/// Ends only by being dropped.
pub async fn record_machines(client: Client, tag: Tag, period: Duration, mut hear: impl FnMut(Heard)) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut known = SortedMap::new();
    let mut priced: Option<tokio::time::Instant> = None;
    loop {
        ticks.tick().await;
        let instances = match machines(&client, &tag).await {
            Ok(instances) => instances,
            Err(error) => {
                hear(Heard::Machines(Err(error)));
                continue;
            }
        };
        let spot: SortedSet<String> = instances
            .iter()
            .filter(|instance| instance.lifecycle == "spot")
            .map(|instance| instance.instance_type.clone())
            .collect();
        hear(Heard::Machines(Ok(Instances { instances })));
        if spot.is_empty() || priced.is_some_and(|at| at.elapsed() < PRICES) {
            continue;
        }
        let said = prices(&client, &spot).await;
        if said.is_ok() {
            priced = Some(tokio::time::Instant::now());
        }
        let new = said.map(|mut prices| {
            prices.retain(|price| {
                let key = (price.instance_type.clone(), price.zone.clone());
                known.insert(key, price.usd_per_hour) != Some(price.usd_per_hour)
            });
            Prices { prices }
        });
        hear(Heard::Prices(new));
    }
}

/// All machines with a tag, those that ended within the last hour too.
async fn machines(client: &Client, tag: &Tag) -> Result<Vec<Instance>, Error> {
    let filter = Filter::builder()
        .name(format!("tag:{}", tag.key))
        .values(&tag.value)
        .build();
    let mut pages = client
        .describe_instances()
        .filters(filter)
        .into_paginator()
        .send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|why| error("DescribeInstances", &why))?;
        let instances = page
            .reservations()
            .iter()
            .flat_map(|reservation| reservation.instances());
        all.extend(instances.map(instance));
    }
    Ok(all)
}

fn instance(said: &Ec2Instance) -> Instance {
    let text = |text: Option<&str>| text.unwrap_or("").to_owned();
    let lifecycle = match said.instance_lifecycle().map(|lifecycle| lifecycle.as_str()) {
        Some("spot") => "spot",
        Some("capacity-block") => "reserved",
        _ if said.capacity_reservation_id().is_some() => "reserved",
        _ => "on-demand",
    };
    Instance {
        id: text(said.instance_id()),
        instance_type: text(said.instance_type().map(InstanceType::as_str)),
        zone: text(
            said.placement()
                .and_then(|placement| placement.availability_zone()),
        ),
        lifecycle: lifecycle.to_owned(),
        launched: said.launch_time().map(stamp).unwrap_or_default(),
        state: text(
            said.state()
                .and_then(|state| state.name())
                .map(|name| name.as_str()),
        ),
    }
}

fn stamp(time: &DateTime) -> String {
    time.fmt(DateTimeFormat::DateTime).unwrap_or_default()
}

/// The spot prices of now.
pub(super) async fn prices(
    client: &Client,
    types: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<Vec<Price>, Error> {
    let now = DateTime::from(std::time::SystemTime::now());
    let mut call = client.describe_spot_price_history().start_time(now);
    for product in LINUX {
        call = call.product_descriptions(product);
    }
    for name in types {
        call = call.instance_types(InstanceType::from(name.as_ref()));
    }
    let mut pages = call.into_paginator().send();
    let mut latest: SortedMap<(String, String), Price> = SortedMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|why| error("DescribeSpotPriceHistory", &why))?;
        for price in page.spot_price_history().iter().filter_map(price) {
            let key = (price.instance_type.clone(), price.zone.clone());
            let newer = latest.get(&key).is_none_or(|known| known.since <= price.since);
            if newer {
                latest.insert(key, price);
            }
        }
    }
    Ok(latest.into_values().collect())
}

fn price(said: &SpotPrice) -> Option<Price> {
    Some(Price {
        instance_type: said.instance_type()?.as_str().to_owned(),
        zone: said.availability_zone()?.to_owned(),
        lifecycle: "spot".to_owned(),
        usd_per_hour: said.spot_price()?.parse().ok()?,
        since: said.timestamp().map(stamp),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use aws_sdk_ec2::config::retry::RetryConfig;
    use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_ec2::types::{InstanceLifecycleType, InstanceState, InstanceStateName, Placement};

    use super::*;

    /// One spot machine.
    const MACHINES: &str = "<DescribeInstancesResponse><reservationSet><item><instancesSet><item>\
        <instanceId>i-1</instanceId><instanceType>g5.xlarge</instanceType><instanceLifecycle>spot</instanceLifecycle>\
        </item></instancesSet></item></reservationSet></DescribeInstancesResponse>";
    const REFUSED: &str = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error>\
        </Errors><RequestID>1</RequestID></Response>";

    /// Reads a request, and answers it as somebody who may see machines and no prices.
    fn serve(mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap() > 2 {
            let head = line.to_lowercase();
            if let Some(value) = head.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let asks = String::from_utf8(body).unwrap();
        let (status, text) = match asks.contains("Action=DescribeInstances&") {
            true => ("200 OK", MACHINES),
            false => ("403 Forbidden", REFUSED),
        };
        let length = text.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
        )
        .unwrap();
    }

    #[tokio::test]
    async fn machines_are_heard_where_prices_are_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(super::super::http())
            .region(Region::from_static("us-west-2"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(url)
            .build();
        let tag = "a=b".parse().unwrap();
        let mut heard = Vec::new();
        let listen = record_machines(
            Client::from_conf(config),
            tag,
            Duration::from_millis(1),
            |answer| heard.push(answer),
        );
        drop(tokio::time::timeout(Duration::from_secs(2), listen).await);
        assert!(heard.len() >= 4, "{heard:?}");
        for pair in heard.chunks_exact(2) {
            let [Heard::Machines(Ok(machines)), Heard::Prices(Err(why))] = pair else {
                panic!("{pair:?}");
            };
            assert_eq!(machines.instances[0].id, "i-1");
            assert_eq!(
                why.to_string(),
                "EC2 DescribeSpotPriceHistory: UnauthorizedOperation: no"
            );
        }
    }

    #[test]
    fn a_machine_as_ec2_describes_it() {
        let said = Ec2Instance::builder()
            .instance_id("i-1")
            .instance_type(InstanceType::from("g5.xlarge"))
            .placement(Placement::builder().availability_zone("us-west-2a").build())
            .instance_lifecycle(InstanceLifecycleType::Spot)
            .launch_time(DateTime::from_secs(1_700_000_000))
            .state(InstanceState::builder().name(InstanceStateName::Running).build())
            .build();
        let expected = Instance {
            id: "i-1".to_owned(),
            instance_type: "g5.xlarge".to_owned(),
            zone: "us-west-2a".to_owned(),
            lifecycle: "spot".to_owned(),
            launched: "2023-11-14T22:13:20Z".to_owned(),
            state: "running".to_owned(),
        };
        assert_eq!(instance(&said), expected);
        assert_eq!(instance(&Ec2Instance::builder().build()).lifecycle, "on-demand");
    }

    #[test]
    fn tags_have_a_key_and_a_value() {
        let tag: Tag = "kubernetes.io/cluster/prod=owned".parse().unwrap();
        assert_eq!(
            (tag.key.as_str(), tag.value.as_str()),
            ("kubernetes.io/cluster/prod", "owned")
        );
        assert!("prod".parse::<Tag>().is_err());
    }
}
