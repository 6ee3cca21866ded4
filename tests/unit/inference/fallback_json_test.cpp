#include <casc/inference/request_json.hpp>

#include <boost/json.hpp>
#include <doctest/doctest.h>

using namespace casc;
using namespace casc::inference;
namespace json = boost::json;

TEST_CASE("inference/fallback_json: others are asked for no model, and for one answer") {
    for (
        const char* const request :
        {R"({"id":"a","model":"m","params":{"prompt":"p","stream":true,"seed":7}})",
         R"({"source":"x","request":{"id":"a","model":"m","params":{"prompt":"p","stream":true}}})"}) {
        const auto changed = request_for_others(request);
        REQUIRE(changed);
        const auto parsed = parse_request(*changed);
        REQUIRE(parsed);
        CHECK(parsed->request_id == "a");
        CHECK(parsed->model.empty());
        CHECK_FALSE(parsed->request.streams);
        CHECK(parsed->request.prompt == "p");
    }
    CHECK(*request_for_others(R"({"params":{"prompt":"p","seed":18446744073709551615}})") ==
          R"({"params":{"prompt":"p","seed":18446744073709551615}})");
}

TEST_CASE("inference/fallback_json: an answer of somebody else says so, and whose request it is") {
    const std::string theirs =
        R"({"request_id":"theirs","status":"success","response":{"model_used":"small",)"
        R"("result":{"text":"hi"},"metadata":{"backend":"cpu","fallback_used":false}},"error":null})";
    const auto ours = answer_of_fallback(theirs, "ours");
    REQUIRE(ours);
    const json::value answer = json::parse(*ours);
    CHECK(answer.at("request_id") == "ours");
    CHECK(answer.at("status") == "degraded");
    CHECK(answer.at("response").at("model_used") == "small");
    CHECK(answer.at("response").at("metadata").at("fallback_used").as_bool());
    CHECK(answer.at("response").at("metadata").at("backend") == "cpu");
    const auto parts = in_parts(*ours);
    REQUIRE(parts);
    CHECK(parts->text == "hi");
    CHECK(json::parse(parts->rest).at("response").at("result").at("text") == "");
    CHECK(json::parse(parts->rest).at("status") == "degraded");
    CHECK(json::parse(*answer_of_fallback(theirs, "")).at("request_id").is_null());
}

TEST_CASE("inference/fallback_json: an answer without metadata gets them") {
    const auto ours = answer_of_fallback(R"({"status":"success","response":{"result":{}}})", "a");
    REQUIRE(ours);
    CHECK(json::parse(*ours).at("response").at("metadata").at("fallback_used").as_bool());
    CHECK_FALSE(in_parts(*ours));
}

TEST_CASE("inference/fallback_json: what is no answer is an error, with its number if it has one") {
    const auto code_of = [](const char* answer) {
        const auto ours = answer_of_fallback(answer, "a");
        return ours ? ErrorCode::ok : ours.error().code;
    };
    CHECK(code_of(R"({"status":"error","error":{"number":3002,"message":"full"}})") ==
          ErrorCode::model_overloaded);
    CHECK(code_of(R"({"status":"timeout","error":{"number":1002}})") == ErrorCode::timeout);
    for (const char* const nonsense :
         {R"({"status":"success"})", R"({"status":"error"})", R"({"response":{}})", "{}",
          R"({"status":"error","error":{"number":0}})",
          R"({"status":"error","error":{"number":-1}})",
          R"({"status":"error","error":{"number":70000}})"})
        CHECK_MESSAGE(code_of(nonsense) == ErrorCode::inference_failed, nonsense);
    for (const char* const nonsense :
         {"", "[]", "hello", R"({"status":7})", R"({"response":7,"status":"success"})"})
        CHECK_MESSAGE(code_of(nonsense) == ErrorCode::inference_failed, nonsense);
}
