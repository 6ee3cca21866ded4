// casc-admin generate completion, man, systemd, config: files that belong to an installation.

#include "command_tree.hpp"
#include "commands.hpp"
#include "completion.hpp"
#include "man_page.hpp"
#include "systemd_unit.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <sys/wait.h>
#include <unistd.h>

namespace casc::admin {

namespace {

namespace fs = std::filesystem;

// For text that is a file's content: JSON wraps it, so that -o json can be parsed here too.
void show_text(Session& session, std::string_view key, const std::string& text) {
    if (session.out().format() == Format::table) return session.out().write(text);
    Document document;
    document.add(key, key, json::value(text));
    session.out().show(document);
}

Result<ExitCode> completion(Session& session, const CLI::App& root, const std::string& shell) {
    const CommandText tree = command_tree(root);
    show_text(session, "completion",
              shell == "bash"  ? bash_completion(tree)
              : shell == "zsh" ? zsh_completion(tree)
                               : fish_completion(tree));
    return ExitCode::ok;
}

struct UnitOptions {
    std::string bin = "/usr/local/bin";
    std::string user = "casc";
};

// The broker that belongs to this program: the one beside it, else the one on the path.
std::string broker_program() {
    std::error_code failed;
    const fs::path own = fs::read_symlink("/proc/self/exe", failed);
    if (const fs::path beside = own.parent_path() / "casc-broker";
        !failed && fs::exists(beside, failed))
        return beside.string();
    return "casc-broker";
}

struct ProgramOutput {
    std::string text;
    int status = 0;
};

// What `program argument` prints on stdout; no shell in between.
Result<ProgramOutput> output_of(const std::string& program, const std::string& argument) {
    std::array<int, 2> pipe_ends{};
    if (::pipe(pipe_ends.data()) != 0) return Error(ErrorCode::io_failed, "pipe");
    const pid_t child = ::fork();
    if (child < 0) return Error(ErrorCode::io_failed, "fork");
    if (child == 0) {
        ::dup2(pipe_ends[1], STDOUT_FILENO);
        ::close(pipe_ends[0]);
        ::close(pipe_ends[1]);
        ::execlp(program.c_str(), program.c_str(), argument.c_str(), nullptr);
        ::_exit(127);
    }
    ::close(pipe_ends[1]);
    ProgramOutput output;
    std::array<char, 4096> chunk{};
    for (ssize_t bytes = 0; (bytes = ::read(pipe_ends[0], chunk.data(), chunk.size())) > 0;)
        output.text.append(chunk.data(), static_cast<std::size_t>(bytes));
    ::close(pipe_ends[0]);
    ::waitpid(child, &output.status, 0);
    return output;
}

// The broker describes its own settings; this only asks the one that is installed.
Result<ExitCode> config(Session& session) {
    const std::string program = broker_program();
    CASC_TRY(const ProgramOutput output, output_of(program, "--print-config"));
    if (!WIFEXITED(output.status) || WEXITSTATUS(output.status) != 0)
        return session.out().fail(
            Error(ErrorCode::internal_error, program + " --print-config failed"), ExitCode::failed,
            "install casc-broker beside casc-admin or on the PATH");
    show_text(session, "config", output.text);
    return ExitCode::ok;
}

}  // namespace

void add_generate_commands(Commands& commands) {
    CLI::App* generate = commands.noun("generate", "Files for an installation, on stdout");
    CLI::App& root = commands.root();
    auto shell = std::make_shared<std::string>();
    CLI::App* verb = generate->add_subcommand("completion", "Completion of commands and options");
    verb->add_option("SHELL", *shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    commands.on(verb,
                [shell, &root](Session& session) { return completion(session, root, *shell); });

    commands.on(generate->add_subcommand("man", "The manual page casc-admin.1"),
                [&root](Session& session) -> Result<ExitCode> {
                    show_text(session, "man", man_page(command_tree(root)));
                    return ExitCode::ok;
                });

    auto unit = std::make_shared<UnitOptions>();
    verb = generate->add_subcommand("systemd", "The unit that runs casc-broker");
    verb->add_option("--bin", unit->bin, "Folder of casc-broker (default /usr/local/bin)")
        ->type_name("FOLDER");
    verb->add_option("--user", unit->user, "User and group (default casc)")->type_name("NAME");
    commands.on(verb, [unit](Session& session) -> Result<ExitCode> {
        show_text(session, "systemd", systemd_unit(unit->bin, unit->user));
        return ExitCode::ok;
    });

    commands.on(generate->add_subcommand("config",
                                         "A commented casc.toml with every setting at its default"),
                config);
}

}  // namespace casc::admin
