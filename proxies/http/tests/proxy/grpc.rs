//! gRPC, spoken by tonic on both sides: calls of one message and of many, their ends, and refusals in gRPC's own words.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::stream;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::server::HealthReporter;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::house::{House, PASSWORD};

const POLICY: &str = r#"
policy "calls"
default deny
allow "health" { by group "eng"  on http  do post on "/grpc.health.v1.Health/*" }
allow "reflection" { by group "eng"  on http  do post on "/grpc.reflection.v1.ServerReflection/**" }
deny "old reflection" {
  on http  do post on "/grpc.reflection.v1alpha.ServerReflection/**"
  say "ask v1: 100% of it is there"
}
"#;

/// A server of tonic's, and a gateway before it.
async fn served() -> (House, HealthReporter) {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop", ServingStatus::Serving).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let incoming =
        tonic::transport::server::TcpIncoming::from(tokio::net::TcpListener::from_std(listener).unwrap());
    tokio::spawn(Server::builder().add_service(health).add_service(reflection).serve_with_incoming(incoming));
    let house = House::policed(POLICY).await;
    let before = format!("127.0.0.1:{}\"\nhosts = [\"api", house.origin.port);
    let after = format!("{address}\"\nhttp2 = true\nhosts = [\"api");
    house.reconfigure(|text| text.replace(&before, &after)).await;
    (house, reporter)
}

type Asking = InterceptedService<Channel, fn(Request<()>) -> Result<Request<()>, Status>>;

/// A connection of ana's.
async fn connected(house: &House) -> Asking {
    let endpoint = Endpoint::from_shared(format!("http://{}", house.address)).unwrap();
    let channel = endpoint.origin("http://api.test".parse().unwrap()).connect().await.unwrap();
    InterceptedService::new(channel, |mut request| {
        let shown = format!("Basic {}", BASE64.encode(format!("ana:{PASSWORD}")));
        request.metadata_mut().insert("authorization", MetadataValue::try_from(shown).unwrap());
        Ok(request)
    })
}

/// What comes soon, because nothing has to end before it.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("nothing came")
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn calls_of_one_message_come_to_what_the_server_says() {
    let (house, _reporter) = served().await;
    let mut health = HealthClient::new(connected(&house).await);
    let answer = health.check(of("shop")).await.unwrap();
    assert_eq!(answer.into_inner().status, ServingStatus::Serving as i32);
    let unknown = health.check(of("nowhere")).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.message()), (Code::NotFound, "service not registered"));
    house.until_said("/grpc.health.v1.Health/Check").await;
}

#[tokio::test]
async fn messages_of_a_stream_come_one_by_one_in_both_directions() {
    let (house, reporter) = served().await;
    let channel = connected(&house).await;
    let mut watched = HealthClient::new(channel.clone()).watch(of("shop")).await.unwrap().into_inner();
    let seen = within(watched.message()).await.unwrap().unwrap();
    assert_eq!(seen.status, ServingStatus::Serving as i32);
    for status in [ServingStatus::NotServing, ServingStatus::Serving] {
        reporter.set_service_status("shop", status).await;
        let seen = within(watched.message()).await.unwrap().unwrap();
        assert_eq!(seen.status, status as i32);
    }

    let (asking, questions) = tokio::sync::mpsc::channel(1);
    let questions = stream::unfold(questions, |mut questions| async {
        let next = questions.recv().await;
        next.map(|question| (question, questions))
    });
    let mut reflection = ServerReflectionClient::new(channel);
    let mut answers = reflection.server_reflection_info(questions).await.unwrap().into_inner();
    for symbol in ["grpc.health.v1.Health", "grpc.health.v1.HealthCheckRequest"] {
        let question = MessageRequest::FileContainingSymbol(symbol.to_owned());
        let host = "api.test".to_owned();
        asking.send(ServerReflectionRequest { host, message_request: Some(question) }).await.unwrap();
        let answer = within(answers.message()).await.unwrap().unwrap().message_response.unwrap();
        assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{answer:?}");
    }
    drop(asking);
    assert!(within(answers.message()).await.unwrap().is_none(), "it ends with what was asked");
}

#[tokio::test]
async fn a_refusal_is_a_status_of_grpc() {
    let (house, _reporter) = served().await;
    let channel = connected(&house).await;
    let question = stream::iter([Default::default()]);
    let mut old =
        tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let refused = old.server_reflection_info(question).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    assert!(refused.message().contains("ask v1: 100% of it is there"), "{refused:?}");
    assert_eq!(refused.metadata().get("portcullis-rule").unwrap(), "old reflection");
    let stranger = Endpoint::from_shared(format!("http://{}", house.address)).unwrap();
    let stranger = stranger.origin("http://api.test".parse().unwrap()).connect().await.unwrap();
    let refused = HealthClient::new(stranger).check(of("shop")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
}
