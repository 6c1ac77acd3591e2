/* Resolves a name the way its C library does; exit code 0 when there is an address. */
#include <netdb.h>

int main(int count, char **words)
{
    struct addrinfo *found;
    return count == 2 ? getaddrinfo(words[1], "443", 0, &found) : 2;
}
