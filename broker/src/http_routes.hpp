#pragma once
// http_routes.hpp: what each path of the HTTP port answers; no sockets here. Thread: control.

#include <casc/broker/http.hpp>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <string_view>

namespace casc::broker {

using HttpRequest = boost::beast::http::request<boost::beast::http::string_body>;
using HttpResponse = boost::beast::http::response<boost::beast::http::string_body>;

// The complete answer; for HEAD the headers of the GET without its body.
[[nodiscard]] HttpResponse answer(const HttpRequest& request, const HttpHandlers& handlers);

// An RFC 9457 application/problem+json answer.
[[nodiscard]] HttpResponse problem(boost::beast::http::status status, std::string_view detail,
                                   unsigned http_version);

}  // namespace casc::broker
