/* Asks the C library it is built with as programs do: `lookup NAME` prints the addresses of a name, `lookup ADDRESS` the name of an
 * address, one a line. It ends with 1 where there are none, and says why. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int fail(int error)
{
    fprintf(stderr, "%s\n", gai_strerror(error));
    return 1;
}

int main(int count, char **arguments)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found;
    char text[NI_MAXHOST];
    int error;

    if (count != 2)
        return 2;
    if (getaddrinfo(arguments[1], NULL, &hints, &found) == 0) {
        error = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NAMEREQD);
        if (error != 0)
            return fail(error);
        puts(text);
        return 0;
    }
    hints.ai_flags = 0;
    error = getaddrinfo(arguments[1], NULL, &hints, &found);
    if (error != 0)
        return fail(error);
    for (; found != NULL; found = found->ai_next) {
        getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
        puts(text);
    }
    return 0;
}
